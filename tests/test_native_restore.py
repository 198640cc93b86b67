"""omote-restore as it ships: a blurred portrait becomes sharper, and nearer to the true one."""

import cv2
import numpy as np

from omote.compose.restorers import open_restorer
from omote.demo import portraits
from omote.faces.align import align
from omote.faces.finder import FaceFinder
from omote.faces.select import Selection
from omote.media import open_image
from omote.zoo import Networks, native_weights


def test_a_compressed_portrait_comes_nearer_to_the_true_one():
    restorer = open_restorer(Networks(), "omote-restore", None)
    for path in portraits():
        pixels = open_image(path).pixels
        (face, *_) = FaceFinder().find(pixels, Selection("largest"))
        true = align(pixels, face, "arcface_112_v2", 256).pixels
        poor = cv2.GaussianBlur(cv2.resize(true, (128, 128), interpolation=cv2.INTER_AREA), (0, 0), 0.8)
        poor = cv2.imdecode(cv2.imencode(".jpg", poor, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
        large = cv2.resize(poor, (256, 256), interpolation=cv2.INTER_CUBIC)
        (made,) = restorer.restore([large.astype(np.float32) / 255])
        made = made * 255
        assert np.square(made - true).mean() < np.square(large.astype(float) - true).mean()
        fine = [float(cv2.Laplacian(np.float32(picture), cv2.CV_32F).std()) for picture in (large, made)]
        assert fine[1] > 1.3 * fine[0]


def test_it_is_small():
    assert len(native_weights("restore")) <= 1_100_000
