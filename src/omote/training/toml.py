"""Tables as TOML text: recipes as they are run, cards of what was trained."""

import json
import re
from collections.abc import Mapping
from typing import Any


def as_toml(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> str:
    """Write a table of strings, numbers, lists and tables."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(map(_key, above))}]"] if above and (plain or not table) else []
    lines += [f"{_key(key)} = {_literal(value)}" for key, value in plain.items()]
    blocks = ["\n".join(lines)] if lines else []
    blocks += [as_toml(value, (*above, key)) for key, value in table.items() if isinstance(value, Mapping)]
    return "\n\n".join(block for block in blocks if block)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)
