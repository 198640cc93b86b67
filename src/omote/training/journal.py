"""What a run leaves to look at: lines of numbers as JSON, the same for TensorBoard, sheets of examples."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

LOG, EVALUATION = "log.jsonl", "evaluation.jsonl"


class Journal:
    """Writes into a folder; a resumed run goes on with the same files.

    Args:
        folder: of the run.
        seen: samples seen so far; later lines, of a run that was cut off after its checkpoint, are dropped.
    """

    def __init__(self, folder: Path, seen: int = 0) -> None:
        self._folder = folder
        for log in (LOG, EVALUATION):
            _drop_after(folder / log, seen)
        self._lines = (folder / LOG).open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=seen + 1)  # type: ignore[no-untyped-call]

    def write(self, seen: int, numbers: Mapping[str, float]) -> None:
        """One line: name → number after `seen` samples."""
        rounded = {name: float(f"{value:.6g}") for name, value in numbers.items()}
        self._lines.write(json.dumps({"seen": seen, **rounded}) + "\n")
        self._lines.flush()
        for name, value in numbers.items():
            self._board.add_scalar(name, value, seen)  # type: ignore[no-untyped-call]

    def sheet(self, seen: int, pictures: Tensor) -> Path:
        """Save (rows, columns, 3, S, S) pictures, [-1, 1], as `sheets/SEEN.jpg`."""
        rows, columns, _, side, _ = pictures.shape
        pixels = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte()
        grid = pixels.permute(0, 3, 1, 4, 2).reshape(rows * side, columns * side, 3).cpu().numpy()
        path = self._folder / "sheets" / f"{seen:09d}.jpg"
        path.parent.mkdir(exist_ok=True)
        _, coded = cv2.imencode(".jpg", np.ascontiguousarray(grid[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])
        path.write_bytes(coded.tobytes())
        return path

    def close(self) -> None:
        """Finish the files."""
        self._lines.close()
        self._board.close()  # type: ignore[no-untyped-call]


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's log."""
    path = folder / LOG
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _drop_after(path: Path, seen: int) -> None:
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["seen"] <= seen]
    if len(kept) < len(lines):
        part = path.with_name(path.name + ".part")
        part.write_text("".join(kept), "utf-8")
        os.replace(part, path)
