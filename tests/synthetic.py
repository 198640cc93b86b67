"""Faces without people: the canonical mesh, posed, on a painted picture."""

import cv2
import numpy as np

from omote.faces.face import Face
from omote.faces.mesh import mesh_points
from omote.faces.topology import CANONICAL, FACE_OVAL, LEFT_BROW, RIGHT_BROW, TRIANGLES


def posed_face(centre=(200.0, 190.0), scale=90.0, yaw=0.0, roll=0.0) -> Face:
    """The canonical head at a place; yaw in degrees turns its nose towards the right of the picture."""
    y, r = np.deg2rad(yaw), np.deg2rad(roll)
    turn = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    lean = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    pivot = np.array([0, 0, 0.9])
    mesh = ((CANONICAL - pivot) @ turn.T + pivot) @ lean.T * scale + (*centre, 0)
    mesh = mesh.astype(np.float32)
    box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
    return Face(box=box, score=0.9, points=mesh_points(mesh), mesh=mesh, presence=1.0)


def painted(face: Face, seed: int = 0, skin=(0.75, 0.55, 0.45), size: int = 400) -> np.ndarray:
    """(size, size, 3) uint8: textured skin on a face's surface, dark brows, over a textured wall."""
    rng = np.random.default_rng(seed)
    wall = cv2.GaussianBlur(rng.normal(size=(size, size, 3)).astype(np.float32), (0, 0), 3)
    canvas = 0.35 + 0.6 * wall
    grain = cv2.GaussianBlur(rng.normal(size=(size, size, 1)).astype(np.float32), (0, 0), 2)[..., None]
    oval = np.zeros((size, size), np.uint8)
    for triangle in TRIANGLES:
        cv2.fillConvexPoly(oval, np.round(face.mesh[triangle, :2]).astype(np.int32), 1)
    canvas = np.where(oval[..., None] > 0, np.float32(skin) * (1 + 0.8 * grain), canvas)
    picture = (np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    for contour in (LEFT_BROW, RIGHT_BROW):
        cv2.fillPoly(picture, [np.round(face.mesh[contour, :2]).astype(np.int32)], (50, 35, 30))
    cv2.polylines(picture, [np.round(face.mesh[FACE_OVAL, :2]).astype(np.int32)], True, (120, 90, 80), 1)
    return picture
