"""Lets `python -m fleet` be the command line, so that a child needs no script on its PATH."""

from fleet.cli import main

main()
