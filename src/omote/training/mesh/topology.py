"""Derive `omote/faces/topology.npz` from MediaPipe's network: mirror, canonical head, triangles.

    python -m omote.training.mesh.topology --data DIR --weights FILE --out FILE

- The mirror (which point is which in a mirrored face) is the pairing of least squared distance between the
  meshes of pictures and of the same pictures mirrored.
- The canonical head is the mean of the meshes of frontal faces with closed mouths, made symmetric, in eye
  distances. The network's z is not to scale; its factor is the one with which PnP of the meshes of turned
  faces gives the yaw that FSA-Net sees. The head is tilted by the mean pitch (FSA-Net) of the frontal faces.
- The triangles are the Delaunay triangulation of the mean frontal face with an open mouth, without those
  outside the face oval; diagonals are flipped where a triangle would cross the lids or the lips.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from omote.errors import ModelError
from omote.faces.contours import FACE_OVAL, INNER_LIPS, LEFT_EYE, OUTER_LIPS, POINTS, RIGHT_EYE, RIGID
from omote.training.mesh.data import EYE_DISTANCE, FaceSet, load_aligned
from omote.training.mesh.views import MESH_VIEWS, SIZE, VIEWS, mesh_view, to_picture, view
from omote.zoo import Session

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def look_twice(session: Session, faces: FaceSet, chosen: Ints) -> tuple[Floats, Floats]:
    """Meshes of the chosen faces and of their mirror images, (N, 478, 3) each, centred, in eye distances.

    Those of the mirror images are mirrored back, so that they differ in the order of the points alone. The
    crops are taken about a first mesh, as in `teacher.look`.
    """
    results: tuple[list[Floats], list[Floats]] = ([], [])

    def look(image: npt.NDArray[np.uint8], matrix: Floats) -> Floats:
        crop = cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        points = session.run(crop[None].astype(np.float32) / np.float32(255))[0]
        return to_picture(points.reshape(POINTS, 3), matrix)

    middle = (faces.images.shape[1] - 1) / 2
    for i in chosen:
        image = faces.images[i]
        first = look(image, view(faces.points[i], *VIEWS[1]))
        for mirrored, meshes in zip((False, True), results, strict=True):
            mesh = look(image, mesh_view(first, MESH_VIEWS[1], mirrored))
            meshes.append((mesh - (middle, middle, 0)) / EYE_DISTANCE)
    return np.array(results[0]), np.array(results[1])


def pair(cost: Floats) -> Ints:
    """Pairing (a point may pair with itself) of small total cost: greedy, then improved by exchanges."""
    cost = (cost + cost.T) / 2
    count = len(cost)
    mate = np.full(count, -1)
    for flat in np.argsort(cost, axis=None):
        i, j = divmod(int(flat), count)
        if mate[i] < 0 and mate[j] < 0:
            mate[i], mate[j] = j, i
    improved = True
    while improved:
        improved = False
        for i in range(count):
            for k in range(i + 1, count):
                j, m = mate[i], mate[k]
                if len({i, j, k, m}) == 3 or j == k:
                    continue
                # Exchange partners: (i, j) (k, m) → (i, k) (j, m); alone-standing points pair up.
                before = cost[i, j] + cost[j, i] + cost[k, m] + cost[m, k]
                after = cost[i, k] + cost[k, i] + cost[j, m] + cost[m, j]
                if after < before - 1e-12:
                    mate[i], mate[k], mate[j], mate[m] = k, i, m, j
                    improved = True
    return mate


def find_mirror(plain: Floats, mirrored: Floats) -> Ints:
    """Index of each point's counterpart, from meshes and mirrored-back meshes of the same faces."""
    bias = np.zeros((POINTS, 3))
    mate = np.zeros(POINTS, np.int64)
    for _ in range(3):
        moved = mirrored + bias
        cost = np.mean([((a[:, None] - b[None]) ** 2).sum(-1) for a, b in zip(plain, moved, strict=True)], 0)
        mate = pair(cost)
        # The network is not quite symmetric; the smooth part of that is taken out before the next pairing.
        x, y, z = mirrored.mean(0).T
        terms = np.column_stack([np.ones(POINTS), x, y, z, x * x, y * y, x * y])
        difference = (plain[:, mate] - mirrored).mean(0)
        bias = terms @ np.linalg.lstsq(terms, difference, rcond=None)[0]
    return mate


def symmetric_mean(meshes: Floats, mirror: Ints) -> Floats:
    """Mean of (N, 478, 3) meshes, made symmetric about x = 0."""
    mean = meshes.mean(0)
    mean = mean - (mean[[33, 133]].mean(0) + mean[[263, 362]].mean(0)) / 2
    return np.asarray((mean + mean[mirror] * (-1, 1, 1)) / 2)


def depth_factor(canonical: Floats, meshes: Floats, yaw: Floats) -> float:
    """Factor for the canonical z with which PnP of meshes (N, 478, 3) gives about `yaw` (degrees)."""
    camera = np.array([[20.0, 0, 0], [0, 20, 0], [0, 0, 1]])

    def misfit(factor: float) -> float:
        head = canonical[list(RIGID)] * (1, 1, factor)
        errors = []
        for mesh, wanted in zip(meshes, yaw, strict=True):
            flat = np.ascontiguousarray(mesh[list(RIGID), :2])
            _, turn, _ = cv2.solvePnP(head, flat, camera, None, np.zeros(3), np.array([0, 0, 20.0]), True)
            nose = -cv2.Rodrigues(turn)[0][:, 2]
            errors.append(abs(float(np.degrees(np.arctan2(nose[0], -nose[2]))) - wanted))
        return float(np.mean(errors))

    factors = np.arange(0.6, 1.41, 0.05)
    return float(factors[np.argmin([misfit(factor) for factor in factors])])


def tilted(head: Floats, degrees: float) -> Floats:
    """The head (N, 3) looking up by so much more: x right, y down, z away from the camera."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(head @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]))


def triangulate(flat: Floats) -> Ints:
    """Delaunay triangles (T, 3) of the 468 face points inside the face oval, counter-clockwise on screen."""
    low, high = flat[:468].min(0), flat[:468].max(0)
    grid = ((flat[:468] - low) / (high - low).max() * 4000 + 100).astype(np.float32)
    plane = cv2.Subdiv2D((0, 0, 4300, 4300))
    number = {plane.insert((float(x), float(y))): i for i, (x, y) in enumerate(grid)}
    found = []
    for triangle in np.asarray(plane.getTriangleList()).reshape(-1, 3, 2):
        corners = [number.get(plane.locate((float(x), float(y)))[2]) for x, y in triangle]
        centre = tuple(float(v) for v in triangle.mean(0))
        oval = grid[list(FACE_OVAL)].reshape(-1, 1, 2)
        if None not in corners and cv2.pointPolygonTest(oval, centre, False) >= 0:
            found.append(corners)
    triangles = np.array(found, np.int64)
    for contour in (FACE_OVAL, LEFT_EYE, RIGHT_EYE, INNER_LIPS, OUTER_LIPS):
        for a, b in zip(contour, (*contour[1:], contour[0]), strict=True):
            require_edge(triangles, flat, a, b)
    sides = grid[triangles].astype(np.float64)
    u, v = sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0]
    turn = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    triangles[turn > 0] = triangles[turn > 0][:, [0, 2, 1]]
    return triangles


def require_edge(triangles: Ints, flat: Floats, a: int, b: int) -> None:
    """Flip diagonals in place until the edge a-b is one of the triangulation."""

    def side(i: int, j: int, k: int) -> float:
        u, v = flat[j] - flat[i], flat[k] - flat[i]
        return float(u[0] * v[1] - u[1] * v[0])

    def crosses(c: int, d: int) -> bool:
        apart = {a, b}.isdisjoint((c, d))
        return apart and side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0

    for _ in range(20):
        flipped = False
        for first in range(len(triangles)):
            corners = [int(corner) for corner in triangles[first]]
            for c, d in zip(corners, corners[1:] + corners[:1], strict=True):
                if not crosses(c, d):
                    continue
                others = np.flatnonzero(np.isin(triangles, (c, d)).sum(1) == 2)
                second = int(others[others != first][0])
                e = next(corner for corner in corners if corner not in (c, d))
                f = int(next(p for p in triangles[second] if p not in (c, d)))
                if side(e, f, c) * side(e, f, d) < 0:  # the four corners are convex
                    triangles[first], triangles[second] = (e, f, c), (e, f, d)
                    flipped = True
                    break
        if not flipped:
            return


def check(triangles: Ints, mirror: Ints) -> None:
    """Raise ModelError where a contour is not made of edges of the triangulation, or is not symmetric."""
    edges = {frozenset((int(a), int(b))) for t in triangles for a, b in zip(t, np.roll(t, 1), strict=True)}
    contours = {"face oval": FACE_OVAL, "inner lips": INNER_LIPS, "outer lips": OUTER_LIPS}
    contours |= {"left eye": LEFT_EYE, "right eye": RIGHT_EYE}
    for name, contour in contours.items():
        pairs = zip(contour, np.roll(contour, 1), strict=True)
        missing = [pair for pair in pairs if frozenset(map(int, pair)) not in edges]
        if missing:
            raise ModelError(f"topology: the triangles cross the {name} at {missing}")
    for name in ("face oval", "inner lips", "outer lips"):
        if set(mirror[list(contours[name])]) != set(contours[name]):
            raise ModelError(f"topology: the {name} is not its own mirror image")
    if set(mirror[list(LEFT_EYE)]) != set(RIGHT_EYE) or len(set(map(int, triangles.ravel()))) != 468:
        raise ModelError("topology: the eyes do not mirror each other, or a point lies in no triangle")


def main(arguments: list[str] | None = None) -> None:
    """Derive the tables and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with faces160.csv and its archives")
    parser.add_argument("--weights", type=Path, required=True, help="MediaPipe's landmark network as ONNX")
    parser.add_argument("--out", type=Path, required=True, help="topology.npz")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    faces = load_aligned(options.data)
    session = Session(options.weights)
    yaw, pitch, roll = np.abs(faces.pose.T)
    frontal = np.flatnonzero((yaw < 7) & (pitch < 7) & (roll < 5))[::4][:1500]
    turned = np.flatnonzero((yaw > 15) & (yaw < 50))[::8][:300]
    plain, mirrored = look_twice(session, faces, frontal)
    mirror = find_mirror(plain, mirrored)
    both = np.concatenate([plain, mirrored[:, mirror]])
    gap = np.abs(both[:, 14, 1] - both[:, 13, 1])
    canonical = symmetric_mean(both[gap < 0.1], mirror)
    opened = symmetric_mean(both[gap > 0.15], mirror)
    side, _ = look_twice(session, faces, turned)
    factor = depth_factor(
        canonical, side, -faces.pose[turned, 0].astype(np.float64)
    )  # FSA-Net's sign differs
    triangles = triangulate(opened[:, :2])
    check(triangles, mirror)
    tilt = -float(faces.pose[frontal, 1].mean())
    tables: dict[str, Any] = {
        "canonical": tilted(canonical * (1, 1, factor), tilt).astype(np.float32),
        "triangles": triangles.astype(np.int16),
        "mirror": mirror.astype(np.int16),
    }
    np.savez_compressed(options.out, **tables)
    open_count = int((gap > 0.15).sum())
    print(
        f"{len(triangles)} triangles, depth factor {factor:.2f}, tilt {tilt:.1f}°, {open_count} open mouths"
    )


if __name__ == "__main__":
    main()
