# SPDX-License-Identifier: MIT
"""fastwsgi: WSGI in C on libuv. Usage: with_fastwsgi.py PORT WHAT"""

import sys

import fastwsgi
from wsgi_app import HANDLERS

fastwsgi.server.max_content_length = 1 << 30
fastwsgi.run(HANDLERS[sys.argv[2]], "127.0.0.1", int(sys.argv[1]), loglevel=0)
