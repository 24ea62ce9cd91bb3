"""``python -m ecggen`` is the command line."""

from ecggen.cli import main

main()
