"""Where the files of networks lie on this machine."""

import hashlib
import os
from pathlib import Path

from omote.errors import ModelError
from omote.zoo.card import Card
from omote.zoo.catalogue import Catalogue


class Store:
    """The folder that holds the networks of the catalogue. Opens no socket; see `omote models pull`.

    Args:
        folder: by default `models` in `OMOTE_HOME`, or in the user's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (
            folder or Path(os.environ.get("OMOTE_HOME", Path.home() / ".cache" / "omote")) / "models"
        )

    def read(self, card: Card) -> bytes:
        """Return the verified file of a network.

        Raises:
            ModelError: it is not here, or not what its digest says.
        """
        file = self.folder / f"{card.name}{card.suffix}"
        if not file.is_file():
            raise ModelError(f"{card.name} is not on this machine: omote models pull {card.name}")
        return file.read_bytes()

    def known(self, data: bytes, catalogue: Catalogue) -> list[Card]:
        """The cards whose file this is, by its digest."""
        return catalogue.with_digest(hashlib.sha256(data).hexdigest())
