"""`python -m fashion`, the same as the command `fashion`."""

from fashion.command import main

main()
