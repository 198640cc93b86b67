"""What is kept of live pictures: a line in the log, and credentials of the file if there is one."""

from dataclasses import replace
from pathlib import Path

from omote.pipelines.examination import Examination
from omote.pipelines.job import Job
from omote.pipelines.provenance import Provenance


class Record:
    """The record of one live job; it says what the safety gate saw until its end.

    Args:
        provenance: as it was permitted.
        examination: which permitted it.
        job: whose networks take part.
    """

    def __init__(self, provenance: Provenance, examination: Examination, job: Job) -> None:
        self._provenance, self._examination, self._job = provenance, examination, job
        self._logged = False

    def publish(self, finished: Path) -> None:
        """Sign a finished file, log it and give it its name; raises as `Provenance.publish`."""
        self._now().publish(finished, self._job.cards)
        self._logged = True

    def log(self) -> None:
        """Log the job, unless `publish` has done it; raises as `Provenance.log`."""
        if not self._logged:
            self._now().log(self._job.cards)
            self._logged = True

    def _now(self) -> Provenance:
        return replace(self._provenance, verdict=self._examination.verdict)
