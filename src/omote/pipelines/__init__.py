"""The journey of a frame, for photos and films."""

from omote.pipelines.settings import SETTING_NAMES, SwapSettings
from omote.pipelines.swap import Job, Progress, SwapReport, refuse_overwriting, swap_file, swap_picture

__all__ = [
    "SETTING_NAMES",
    "Job",
    "Progress",
    "SwapReport",
    "SwapSettings",
    "refuse_overwriting",
    "swap_file",
    "swap_picture",
]
