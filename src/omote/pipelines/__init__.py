"""The journey of a frame, for photos and films."""

from omote.pipelines.settings import SETTING_NAMES, SwapSettings
from omote.pipelines.swap import Job, Progress, SwapReport, swap_file, swap_picture

__all__ = ["SETTING_NAMES", "Job", "Progress", "SwapReport", "SwapSettings", "swap_file", "swap_picture"]
