# SPDX-License-Identifier: MIT
"""All that knows C: the compiled module and the few things that lie right on it."""
