"""Piecewise-affine interpolation against a plain loop over pixels and triangles."""

import numpy as np

from omote.engines.mesh.raster import interpolate


def reference(vertices, triangles, values, size):
    result, depth = np.zeros((size, size, values.shape[1])), np.full((size, size), np.inf)
    for triangle in triangles[:, ::-1]:
        a, b, c = vertices[triangle, :2].astype(np.float64)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area <= 0:
            continue
        z = vertices[triangle, 2].mean()
        for y in range(size):
            for x in range(size):
                w1 = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                w2 = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                if min(w1, w2, 1 - w1 - w2) >= 0 and z < depth[y, x]:
                    depth[y, x] = z
                    weights = np.array([1 - w1 - w2, w1, w2])
                    result[y, x] = weights @ values[triangle]
    return result, np.isfinite(depth)


def test_equals_the_plain_loop_with_overlaps_and_turned_triangles():
    rng = np.random.default_rng(3)
    vertices = np.column_stack([rng.uniform(-6, 38, (30, 2)), rng.uniform(-1, 1, 30)]).astype(np.float32)
    triangles = rng.permuted(np.tile(np.arange(30), (25, 1)), axis=1)[:, :3].astype(np.int32)
    values = rng.normal(size=(30, 3)).astype(np.float32)
    wanted, wanted_covered = reference(vertices, triangles, values, 32)
    got, covered = interpolate(vertices, triangles, values, 32)
    # Pixels on an edge may fall to either side in float32.
    assert (covered != wanted_covered).mean() < 0.005
    both = covered & wanted_covered
    close = np.abs(got - wanted)[both].max(1) < 0.02
    assert close.mean() > 0.99


def test_an_affine_field_is_reproduced_exactly():
    grid = np.stack(np.meshgrid([0, 10, 20, 31], [0, 13, 31]), -1).reshape(-1, 2).astype(np.float32)
    vertices = np.column_stack([grid, np.zeros(len(grid), np.float32)])
    quads = [(r * 4 + c, r * 4 + c + 1, r * 4 + c + 4, r * 4 + c + 5) for r in range(2) for c in range(3)]
    triangles = np.array([t for a, b, c, d in quads for t in ((a, c, b), (b, c, d))], np.int32)
    values = grid @ np.array([[2.0, -1.0], [0.5, 3.0]], np.float32) + 7
    got, covered = interpolate(vertices, triangles, values, 32)
    assert covered.all()
    y, x = np.mgrid[:32, :32]
    wanted = np.stack([2 * x + 0.5 * y + 7, -x + 3 * y + 7], -1)
    np.testing.assert_allclose(got, wanted, atol=1e-3)


def test_nothing_in_view_gives_nothing():
    vertices = np.array([(100, 100, 0), (120, 100, 0), (100, 130, 0)], np.float32)
    got, covered = interpolate(vertices, np.array([[0, 2, 1]], np.int32), np.ones((3, 2)), 16)
    assert not covered.any()
    assert got.shape == (16, 16, 2)
