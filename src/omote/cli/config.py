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
        known = _spellings(command)
        unknown = sorted(key for key in values if key.replace("-", "_") not in known)
        if unknown:
            raise UsageError(f"{CONFIG_FILE}: [{place}] has no option '{unknown[0]}'")
        result[name] = {known[key.replace("-", "_")]: value for key, value in values.items()}
    return result


def _check_environment(group: Any) -> None:
    commands = list(_commands(group, ()))
    for name in sorted(os.environ):
        for words, command in commands:
            prefix = "_".join(("OMOTE", *words, "")).upper()
            if name.startswith(prefix) and name not in _variables(command, prefix):
                named = " ".join(words)
                raise UsageError(f"{name}: `omote {named}` has no such option; unset it or mend its name")


def _commands(group: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands at any depth."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*above, name))
        else:
            yield (*above, name), command


def _variables(command: Any, prefix: str) -> set[str]:
    """Variables of the environment that a command reads."""
    names: set[str] = set()
    for option in command.params:
        given = option.envvar or prefix + option.name.upper()
        names |= {given} if isinstance(given, str) else set(given)
    return names


def _spellings(command: Any) -> dict[str, str]:
    """How the options of a command may be written, with underscores, and what typer calls each."""
    names = {option.name: option.name for option in command.params}
    for option in command.params:
        names |= {word.removeprefix("--").replace("-", "_"): option.name for word in option.opts}
    return names
