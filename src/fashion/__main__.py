"""Run the command `fashion` as `python -m fashion`."""

from fashion.cli import main

main()
