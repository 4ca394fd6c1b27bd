# SPDX-License-Identifier: MIT
"""bjoern: WSGI in C on libev. Usage: with_bjoern.py PORT WHAT"""

import sys

import bjoern
from wsgi_app import HANDLERS

bjoern.run(HANDLERS[sys.argv[2]], "127.0.0.1", int(sys.argv[1]))
