# SPDX-License-Identifier: MIT
"""Upgraded connections that have protocols: events in, calls; writes out."""
