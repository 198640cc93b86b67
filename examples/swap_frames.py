"""Swap a face in pictures that come from anywhere: a Job works on arrays.

python examples/swap_frames.py SOURCE PHOTO... OUTPUT_FOLDER
"""

import sys
from pathlib import Path

from omote.media import open_image, save_image
from omote.pipelines import Job, SwapSettings

source, *photos, folder = (Path(word) for word in sys.argv[1:])
job = Job([source], SwapSettings(face="all", colour="light"))  # one person, any number of pictures
for photo in photos:
    picture = open_image(photo)
    faces = job.find(picture.pixels)  # (H, W, 3) RGB, uint8 or uint16
    result = job.swap(picture.pixels, faces)
    save_image(folder / photo.name, picture.with_pixels(result))
    print(f"{photo.name}: {len(faces)} swapped")
