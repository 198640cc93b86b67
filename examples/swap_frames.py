"""Swap a face in pictures that come from anywhere: a Job works on arrays.

python examples/swap_frames.py SOURCE PHOTO... OUTPUT_FOLDER

A Job asks for no rights and marks nothing: that is for whoever writes files, as below.
"""

import sys
from pathlib import Path

from omote.media import open_image
from omote.pipelines import Job, SwapSettings, save_signed
from omote.trust.statement import SourceType

source, *photos, folder = (Path(word) for word in sys.argv[1:])
job = Job([source], SwapSettings(face="all", colour="light"))  # one person, any number of pictures
for photo in photos:
    picture = open_image(photo)
    faces = job.find(picture.pixels)  # (H, W, 3) RGB, uint8 or uint16
    result = picture.with_pixels(job.swap(picture.pixels, faces))
    save_signed(folder / photo.name, result, "face swap", photo, SourceType.COMPOSITE)
    print(f"{photo.name}: {len(faces)} swapped")
