"""Defaults of options from `omote.toml` in the working folder."""

import tomllib
from pathlib import Path
from typing import Any

import typer

from omote.errors import UsageError

CONFIG_FILE = Path("omote.toml")


def load_config(context: typer.Context) -> dict[str, Any]:
    """Read `omote.toml`: one table per command, one key per option.

    Raises:
        UsageError: the file is not TOML, or names a command or option that does not exist.
    """
    if not CONFIG_FILE.is_file():
        return {}
    try:
        config = tomllib.loads(CONFIG_FILE.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{CONFIG_FILE}: not valid TOML ({error})") from error
    commands = getattr(context.command, "commands", {})
    result: dict[str, Any] = {}
    for section, values in config.items():
        if section not in commands or not isinstance(values, dict):
            raise UsageError(f"{CONFIG_FILE}: no command '{section}'; tables are {', '.join(commands)}")
        known = {parameter.name for parameter in commands[section].params}
        options = {key.replace("-", "_"): value for key, value in values.items()}
        unknown = sorted(set(options) - known)
        if unknown:
            raise UsageError(f"{CONFIG_FILE}: [{section}] has no option '{unknown[0]}'")
        result[section] = options
    return result
