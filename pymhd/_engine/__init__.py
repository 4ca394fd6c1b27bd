# SPDX-License-Identifier: MIT
"""Who runs libmicrohttpd, and what a daemon is made of."""
