"""Pixels in, pixels out: pictures and films, upright, in RGB, whole or not at all."""

from omote.media.containers import FILM_SUFFIXES, require_film_suffix
from omote.media.encoders import ENCODERS, PRESETS, Encoder, available_encoders
from omote.media.picture import Picture, open_image
from omote.media.picture_write import PICTURE_SUFFIXES, require_picture_suffix, save_image
from omote.media.probing import probe
from omote.media.reader import VideoReader
from omote.media.types import MAX_PIXELS, ColourTags, Frame, MediaInfo, Pixels, Track
from omote.media.writer import VideoWriter

__all__ = [
    "ENCODERS",
    "FILM_SUFFIXES",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "PRESETS",
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
    "open_image",
    "probe",
    "require_film_suffix",
    "require_picture_suffix",
    "save_image",
]
