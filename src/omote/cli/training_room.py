"""What the commands of the training room need before they begin."""

from importlib.util import find_spec

from omote.errors import UsageError


def require_torch() -> None:
    """Raise UsageError, with the cure, where the training room's packages are not installed."""
    missing = [name for name in ("torch", "lightning_fabric", "kornia") if find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {missing[0]}, which is not installed: pip install 'omote[train]'")
