"""The journey of a frame, for photos and films."""

from omote.pipelines.batch import BatchItem, read_batch
from omote.pipelines.choose import make_finder, open_networks
from omote.pipelines.job import Job
from omote.pipelines.job_folder import JobFolder, JobInterrupted, job_folders, job_path
from omote.pipelines.mapping_file import read_mapping
from omote.pipelines.preview import previews
from omote.pipelines.provenance import save_signed
from omote.pipelines.report import Progress, SwapReport
from omote.pipelines.settings import (
    FIND_NAMES,
    PEOPLE_NAMES,
    SETTING_NAMES,
    FindSettings,
    PeopleSettings,
    SwapSettings,
)
from omote.pipelines.swap import refuse_overwriting, swap_file, swap_picture

__all__ = [
    "FIND_NAMES",
    "PEOPLE_NAMES",
    "SETTING_NAMES",
    "BatchItem",
    "FindSettings",
    "Job",
    "JobFolder",
    "JobInterrupted",
    "PeopleSettings",
    "Progress",
    "SwapReport",
    "SwapSettings",
    "job_folders",
    "job_path",
    "make_finder",
    "open_networks",
    "previews",
    "read_batch",
    "read_mapping",
    "refuse_overwriting",
    "save_signed",
    "swap_file",
    "swap_picture",
]
