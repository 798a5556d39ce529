"""`python -m abreast` is `abreast`."""

import sys

from abreast.command import main

sys.exit(main())
