"""`python -m abreast` is `abreast`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder, whose files would stand before the standard library

from abreast.command import main

sys.exit(main())
