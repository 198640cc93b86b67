"""Paint faces on a picture, to see what was found."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.faces.face import Face

_BOX, _POINT, _MESH = (64, 220, 120), (255, 96, 64), (120, 200, 255)


def draw_faces(pixels: npt.NDArray[Any], faces: Sequence[Face]) -> npt.NDArray[Any]:
    """Return a copy of (H, W, 3) RGB pixels with each face's number, box, five points and mesh."""
    canvas = np.ascontiguousarray(pixels).copy()
    white = np.iinfo(canvas.dtype).max / 255
    box_colour, point_colour, mesh_colour = (
        tuple(channel * white for channel in colour) for colour in (_BOX, _POINT, _MESH)
    )
    for number, face in enumerate(faces):
        unit = max(1, round(face.width / 120))
        x0, y0, x1, y1 = (round(float(value)) for value in face.box)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), box_colour, unit)
        cv2.putText(
            canvas, str(number), (x0, y0 - 3 * unit), cv2.FONT_HERSHEY_SIMPLEX, 0.5 * unit, box_colour, unit
        )
        if face.mesh is not None:
            for x, y in face.mesh[:, :2]:
                cv2.circle(canvas, (round(float(x)), round(float(y))), max(1, unit // 2), mesh_colour, -1)
        for x, y in face.points:
            cv2.circle(canvas, (round(float(x)), round(float(y))), 2 * unit, point_colour, -1)
    return canvas
