# SPDX-License-Identifier: MIT
"""uvicorn: ASGI on uvloop. Usage: with_uvicorn.py PORT WHAT [CERT KEY]"""

import sys

import uvicorn
from asgi_app import HANDLERS

cert, key = sys.argv[3:] or (None, None)
uvicorn.run(
    HANDLERS[sys.argv[2]],
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    lifespan="off",
    log_level="error",
    access_log=False,
    ws_per_message_deflate=False,
    ssl_certfile=cert,
    ssl_keyfile=key,
)
