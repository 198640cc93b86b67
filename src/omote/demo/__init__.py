"""What `omote demo` shows: two public-domain portraits and a film that is made from one of them."""

from importlib import resources
from pathlib import Path

from omote.demo.film import SIZE, make_film

__all__ = ["SIZE", "make_film", "portraits"]


def portraits() -> tuple[Path, Path]:
    """The source and the target portrait; their origin is noted beside them."""
    folder = Path(str(resources.files(__name__))) / "portraits"
    return folder / "grace_hopper.jpg", folder / "eileen_collins.jpg"
