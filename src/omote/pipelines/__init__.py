"""The journey of a frame, for photos and films."""

from omote.pipelines.choose import make_finder, open_networks
from omote.pipelines.settings import FIND_NAMES, SETTING_NAMES, FindSettings, SwapSettings
from omote.pipelines.swap import Job, Progress, SwapReport, refuse_overwriting, swap_file, swap_picture

__all__ = [
    "FIND_NAMES",
    "SETTING_NAMES",
    "FindSettings",
    "Job",
    "Progress",
    "SwapReport",
    "SwapSettings",
    "make_finder",
    "open_networks",
    "refuse_overwriting",
    "swap_file",
    "swap_picture",
]
