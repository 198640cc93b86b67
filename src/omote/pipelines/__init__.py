"""The journey of a frame, for photos and films."""

from omote.pipelines.choose import make_finder, open_networks
from omote.pipelines.job import Job
from omote.pipelines.report import Progress, SwapReport
from omote.pipelines.settings import FIND_NAMES, SETTING_NAMES, FindSettings, SwapSettings
from omote.pipelines.swap import refuse_overwriting, swap_file, swap_picture

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
