"""Settings of all tests: writes are not fsynced, which only a loss of power would show."""

import os

os.environ["ABREAST_FSYNC"] = "0"  # before `abreast` is imported; processes that tests start inherit it
