"""Let `python -m abreast` do what the command `abreast` does."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder: its modules would be imported instead of those of the standard library

from abreast.command import main

sys.exit(main())
