# SPDX-License-Identifier: MIT
"""Here is only what pyproject.toml cannot say: cffi's builder and the abi3 tag."""

import sysconfig

from setuptools import setup

# The extension uses the stable ABI, but setuptools tags the wheel for one Python only
# unless told so. A free-threaded Python has no stable ABI before 3.15.
abi3 = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    cffi_modules=["build_ffi.py:ffi"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if abi3 else {},
)
