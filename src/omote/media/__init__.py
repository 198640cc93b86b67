"""Pixels in, pixels out: pictures and films, upright, in RGB, whole or not at all."""

from omote.media.coded import changed_box
from omote.media.containers import FILM_SUFFIXES, require_film_suffix
from omote.media.encoders import ENCODERS, PRESETS, Encoder, available_encoders
from omote.media.picture import Picture, open_image
from omote.media.picture_write import PICTURE_SUFFIXES, require_picture_suffix, save_image
from omote.media.probing import probe
from omote.media.reader import VideoReader
from omote.media.types import MAX_PIXELS, Box, ColourTags, Frame, MediaInfo, Pixels, Track
from omote.media.writer import VideoWriter

__all__ = [
    "ENCODERS",
    "FILM_SUFFIXES",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "PRESETS",
    "Box",
    "ColourTags",
    "Encoder",
    "Frame",
    "MediaInfo",
    "Picture",
    "Pixels",
    "Track",
    "VideoReader",
    "VideoWriter",
    "available_encoders",
    "changed_box",
    "open_image",
    "probe",
    "require_film_suffix",
    "require_picture_suffix",
    "save_image",
]
