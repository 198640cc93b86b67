"""Defaults of options from `omote.toml` in the working folder and from the environment."""

import os
import tomllib
from pathlib import Path
from typing import Any

import typer

from omote.errors import UsageError

CONFIG_FILE = Path("omote.toml")


def load_config(context: typer.Context) -> dict[str, Any]:
    """Read `omote.toml`: one table per command, one key per option.

    The environment (`OMOTE_COMMAND_OPTION`) is read by typer; here its names are checked.

    Raises:
        UsageError: the file is not TOML, or a command or option does not exist.
    """
    commands: dict[str, Any] = getattr(context.command, "commands", {})
    known = {name: {parameter.name for parameter in command.params} for name, command in commands.items()}
    _check_environment(known)
    if not CONFIG_FILE.is_file():
        return {}
    try:
        config = tomllib.loads(CONFIG_FILE.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{CONFIG_FILE}: not valid TOML ({error})") from error
    result: dict[str, Any] = {}
    for section, values in config.items():
        if section not in known or not isinstance(values, dict):
            raise UsageError(f"{CONFIG_FILE}: no command '{section}'; tables are {', '.join(known)}")
        options = {key.replace("-", "_"): value for key, value in values.items()}
        unknown = sorted(set(options) - known[section])
        if unknown:
            raise UsageError(f"{CONFIG_FILE}: [{section}] has no option '{unknown[0]}'")
        result[section] = options
    return result


def _check_environment(known: dict[str, set[str]]) -> None:
    for name in sorted(os.environ):
        for command, options in known.items():
            prefix = f"OMOTE_{command.upper()}_"
            if name.startswith(prefix) and name.removeprefix(prefix).lower() not in options:
                raise UsageError(f"{name}: `omote {command}` has no such option; unset it or mend its name")
