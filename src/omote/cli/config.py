"""Defaults of options from `omote.toml` in the working folder and from the environment."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from omote.errors import UsageError

CONFIG_FILE = Path("omote.toml")


def load_config(context: typer.Context) -> dict[str, Any]:
    """Read `omote.toml`: one table per command, one key per option; `[models.pull]` for `omote models pull`.

    The environment (`OMOTE_COMMAND_OPTION`) is read by typer; here its names are checked.

    Raises:
        UsageError: the file is not TOML, or a command or option does not exist.
    """
    _check_environment(context.command)
    if not CONFIG_FILE.is_file():
        return {}
    try:
        config = tomllib.loads(CONFIG_FILE.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{CONFIG_FILE}: not valid TOML ({error})") from error
    return _defaults_of(context.command, config, ())


def _defaults_of(group: Any, tables: dict[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    """The options of every command of a group, under the names that typer gives them."""
    result: dict[str, Any] = {}
    for name, values in tables.items():
        command = group.commands.get(name)
        place = ".".join((*above, name))
        if command is None or not isinstance(values, dict):
            tables_are = ", ".join(".".join((*above, known)) for known in group.commands)
            raise UsageError(f"{CONFIG_FILE}: no command '{place}'; tables are {tables_are}")
        if hasattr(command, "commands"):
            result[name] = _defaults_of(command, values, (*above, name))
            continue
        options = {key.replace("-", "_"): value for key, value in values.items()}
        unknown = sorted(set(options) - _options(command))
        if unknown:
            raise UsageError(f"{CONFIG_FILE}: [{place}] has no option '{unknown[0]}'")
        result[name] = options
    return result


def _check_environment(group: Any) -> None:
    commands = list(_commands(group, ()))
    for name in sorted(os.environ):
        for words, options in commands:
            prefix = "_".join(("OMOTE", *words, "")).upper()
            if name.startswith(prefix) and name.removeprefix(prefix).lower() not in options:
                command = " ".join(words)
                raise UsageError(f"{name}: `omote {command}` has no such option; unset it or mend its name")


def _commands(group: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """All commands at any depth, with their options."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*above, name))
        else:
            yield (*above, name), _options(command)


def _options(command: Any) -> set[str]:
    return {parameter.name for parameter in command.params}
