"""What a finished run is shown again: an export may take ranges from it, or solve for a last layer."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omote.training.assembly import Where, assemble, fabric_for
from omote.training.data.faces import FaceSet
from omote.training.recipe import Recipe
from omote.training.systems import open_faces


@dataclass(frozen=True, slots=True)
class Shown:
    """Faces that a run has learnt from.

    Attributes:
        folder: of the face set; its training split is used.
        cache: where the training room keeps what it makes of faces.
    """

    folder: Path
    cache: Path | None = None

    def faces(self, recipe: Recipe) -> FaceSet:
        """All of them.

        Raises:
            InputError: they cannot be read.
        """
        return open_faces(recipe, self.folder, "train", self.cache)

    def batches(self, recipe: Recipe, samples: int) -> Iterator[Any]:
        """At least so many samples of them, as the recipe makes its batches from the first step on.

        Raises:
            InputError: the faces cannot be read, or do not suffice.
            ModelError: a teacher is not on the machine.
        """
        with tempfile.TemporaryDirectory() as name:
            where = Where(Path(name), "cpu", cache=self.cache)
            made = assemble(recipe, self.faces(recipe), where, fabric_for(recipe, where)).batches
            for step in range(-(-samples // recipe.run.batch)):
                yield made.batch(step)
