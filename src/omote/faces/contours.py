"""Which of the 478 mesh points draw the oval, the eyes, the lips, the brows and the irises.

Each contour is ordered and closed (its last point joins its first); left and right are as seen in the
picture. The indices are those of MediaPipe's face mesh; `omote.training.mesh.topology` checks them against
its network.
"""

POINTS = 478

# fmt: off
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
RIGHT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
# An iris: its centre, then its rim (right, top, left, bottom).
LEFT_IRIS = (468, 469, 470, 471, 472)
RIGHT_IRIS = (473, 474, 475, 476, 477)

# Brow ridge, temples, nose, cheekbones: what does not move with the expression, as lips, lids and jaw do.
# fmt: off
RIGID = (
    10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 33, 133, 362, 263, 127, 356, 234, 454,
    54, 284, 103, 332, 67, 297, 109, 338, 69, 299, 117, 346, 50, 280, 205, 425, 129, 358,
)
# fmt: on
