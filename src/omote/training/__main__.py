"""`python -m omote.training train|export TASK`: train a native network, or write it as an ONNX file."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from omote.errors import OmoteError

COMMANDS = ("train", "export")
TASKS = ("detect", "mesh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Every task is a module `omote.training.TASK.recipe`. Its `add_arguments(parser)` adds the options of
    both commands, its `run(args)` does what `args.command` says.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    first = argparse.ArgumentParser(prog="python -m omote.training", description=__doc__, add_help=False)
    first.add_argument("command", choices=COMMANDS)
    first.add_argument("task", choices=TASKS)
    if len([value for value in given if not value.startswith("-")]) < 2:
        first.add_argument("-h", "--help", action="help", help="show this message; TASK --help says more")
    known, _ = first.parse_known_args(given)
    recipe = importlib.import_module(f"omote.training.{known.task}.recipe")
    parser = argparse.ArgumentParser(prog=first.prog, description=recipe.__doc__, parents=[first])
    recipe.add_arguments(parser)
    try:
        recipe.run(parser.parse_args(given))
    except OmoteError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
