"""`python -m omote`."""

from omote.cli.main import main

main()
