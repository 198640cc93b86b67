"""How much disk the runtime takes: omote and whatever it needs, without extras.

    python benchmarks/install_size.py

Sums the files that each installed distribution lists (compiled Python files among them) over omote's
requirements and theirs. Omote itself counts only where it is not an editable install; what else is installed
does not count.
"""

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(name: str) -> dict[str, metadata.Distribution]:
    """The distributions that must be installed for one to work, by canonical name."""
    found: dict[str, metadata.Distribution] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset())]
    while waiting:
        name, extras = waiting.pop()
        key = canonicalize_name(name)
        if key in found and not extras:
            continue
        distribution = found[key] = metadata.distribution(name)
        for line in distribution.requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def size(distribution: metadata.Distribution) -> int:
    """Bytes of the files that a distribution has installed."""
    paths = (distribution.locate_file(file) for file in distribution.files or [])
    return sum(path.stat().st_size for path in map(_real, paths) if path.is_file())


def _real(path: object) -> Path:
    return Path(str(path))


def main() -> None:
    sizes = {name: size(distribution) for name, distribution in needed("omote").items()}
    print("| distribution | MB |\n|---|---|")
    for name, count in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"| {name} {metadata.version(name)} | {count / 1e6:.1f} |")
    print(f"| all | {sum(sizes.values()) / 1e6:.1f} |")


if __name__ == "__main__":
    main()
