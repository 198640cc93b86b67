"""Looks up known vulnerabilities of all installed packages with pip-audit.

    python tools/audit.py [--strict]

pip-audit is installed into an environment of its own beside the one that it looks at. Where it cannot be had,
or its index of vulnerabilities cannot be reached, that is said, and is no failure unless --strict. Exit code
1: a package has a known vulnerability.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

SECONDS = 300


def audited() -> list[dict[str, Any]] | str:
    """What pip-audit says of every package, or why it cannot."""
    place = Path(sys.prefix) / "audit"
    try:
        _run(sys.executable, "-m", "venv", str(place))
        pip = (
            str(_python(place)),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "pip-audit",
        )
        if _run(*pip).returncode:
            return "pip-audit cannot be installed"
        options = ("--progress-spinner", "off", "--format", "json", "--path", sysconfig.get_path("purelib"))
        done = _run(str(_python(place)), "-m", "pip_audit", *options)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"pip-audit cannot be run ({type(error).__name__})"
    found = dependencies(done.stdout)
    if not any("vulns" in package for package in found):
        return "the index of vulnerabilities cannot be reached"
    return found


def dependencies(report: str) -> list[dict[str, Any]]:
    """The packages of a report; none if it is no report."""
    try:
        return list(json.loads(report)["dependencies"])
    except (ValueError, KeyError, TypeError):
        return []


def vulnerable(packages: list[dict[str, Any]]) -> list[str]:
    """A line for each vulnerability."""
    return [
        f"{package['name']} {package['version']}: {found['id']}, mended in "
        f"{', '.join(found.get('fix_versions') or ()) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", ())
    ]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="fail where nothing could be looked up")
    strict = parser.parse_args().strict
    found = audited()
    if isinstance(found, str):
        print(f"audit: not done: {found}")
        sys.exit(1 if strict else 0)
    lines = vulnerable(found)
    known = sum("vulns" in package for package in found)
    print(*lines, f"audit: {known} packages, {len(lines)} known vulnerabilities", sep="\n")
    print(*(f"not looked up: {package['name']}" for package in found if "vulns" not in package), sep="\n")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
