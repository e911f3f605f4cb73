"""Lets `python -m cli` be the command line, so that a child needs no script on its PATH."""

from cli.main import main

main()
