"""omote-identity as it ships: it opens by its name, and knows people in poor pictures, too."""

from functools import cache

import cv2
import numpy as np
import pytest

from omote.demo import portraits
from omote.faces.detect import Detector
from omote.faces.identity import ArcFace, cosine, identify
from omote.zoo import Networks, native_weights

CHANGES = {
    "mirrored": lambda picture: picture[:, ::-1].copy(),
    "blurred": lambda picture: cv2.GaussianBlur(picture, (0, 0), 2),
    "darkened": lambda picture: picture // 2,
    "compressed": lambda picture: cv2.imdecode(
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR
    ),
}


@cache
def recogniser() -> ArcFace:
    return ArcFace(Networks().open("omote-identity", "identity"))


def pictures() -> list[np.ndarray]:
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in portraits()]


def who(picture: np.ndarray) -> np.ndarray:
    (face,) = identify(recogniser(), picture, Detector().find(picture)[:1])
    assert face.embedding is not None
    return face.embedding


def test_it_is_small_and_gives_unit_vectors_for_any_number_of_faces():
    assert len(native_weights("identity")) <= 2_500_000
    session = recogniser().session
    (found,) = session.run_batch(np.random.default_rng(0).normal(size=(3, 3, 112, 112)).astype(np.float32))
    assert found.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_two_people_are_strangers():
    assert cosine(*map(who, pictures())) < 0.3


@pytest.mark.parametrize("change", CHANGES)
def test_a_person_stays_the_same_in_a_poorer_picture(change):
    first, second = pictures()
    changed = who(CHANGES[change](first))
    assert cosine(changed, who(first)) > 0.6
    assert cosine(changed, who(second)) < 0.3
