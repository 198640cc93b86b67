"""May this be made? Asked before a job: the right to the face, the do-not-swap list, the safety gate."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from omote._version import __version__
from omote.engines.swapper import Source
from omote.errors import RefusedError
from omote.faces.face import Array
from omote.media import MediaInfo, open_image
from omote.pipelines.choose import open_networks
from omote.pipelines.job_description import fingerprint, with_consequence
from omote.pipelines.provenance import Provenance, digests, mark_identifier
from omote.pipelines.settings import SwapSettings
from omote.trust.audit import AuditLog, Entry
from omote.trust.classifiers import open_gate
from omote.trust.consent_rules import Use
from omote.trust.home import trust_folder
from omote.trust.keys import signing_key
from omote.trust.moments import now
from omote.trust.rights import check_rights, require_rights
from omote.trust.safety import SafetyRefusedError, Verdict
from omote.trust.sampling import Sampler, check_film
from omote.trust.statement import SourceType
from omote.trust.template import Recognition

OPERATION = "face swap"


class Examination:
    """Looks at all inputs of a job, then permits it.

    Made before the job, so that nothing is done in vain: the log must be whole, and there must be a key.

    Args:
        settings: of the job.
        target: the photo or film; None for live pictures, which `watch` looks at as they come.

    Raises:
        RefusedError: no right is stated, the log was changed, or a classifier of the safety gate is broken.
        UsageError: the stated right makes no sense.
        InputError: the keys or the log cannot be read or written.
    """

    def __init__(self, settings: SwapSettings, target: Path | None) -> None:
        self._settings, self._target = settings, target
        self._rights = require_rights(settings.rights)
        self._home = trust_folder()
        self._log = AuditLog(self._home)
        self._log.prepare(now())
        signing_key()
        networks = open_networks(settings, 1)  # its own: it takes no part in the output
        self._recognition = Recognition.open(networks)
        self._gate = open_gate(networks.runtime)
        self._sources: dict[Path, Array] = {}

    def source(self, path: Path, source: Source) -> None:
        """Look at a photo whose face is used.

        Raises:
            RefusedError: the safety gate refuses it.
        """
        self._sources[path] = self._recognition.embed(source.pixels, [source.face])
        if self._gate.looks:
            with self._refusals_logged():
                self._gate.photo(source.pixels, str(path))

    def permit(self, output: Path, info: MediaInfo) -> Provenance:
        """Look at the target and hold the stated right against the faces that were seen.

        Args:
            output: the file to make.
            info: of the target.

        Raises:
            RefusedError: the right does not allow it, a face is on the do-not-swap list, or the safety gate
                refuses.
            InputError: a consent or the log cannot be read.
            ModelError: a classifier cannot look.
        """
        with self._refusals_logged():
            self._look(info)
            faces = list(self._sources.values())
            statement = check_rights(
                self._rights,
                np.concatenate(faces) if faces else np.zeros((0, 1), np.float32),
                self._recognition.sha256,
                Use("photo" if info.kind == "picture" else "film", self._settings.project),
                now(),
                self._home,
            )
        engine = self._settings.swapper
        return Provenance(
            operation=OPERATION,
            source_type=SourceType.COMPOSITE,
            target=self._target,
            sources=tuple(self._sources),
            output=output,
            engine=engine.name if isinstance(engine, Path) else engine,
            rights=statement.as_dict(),
            verdict=self._gate.verdict,
            identifier=mark_identifier(info.width, info.height, *self._facts()),
        )

    def watch(self) -> Callable[[npt.NDArray[Any], float], None]:
        """Begin to look at live pictures.

        Returns:
            A function of a picture, (H, W, 3) RGB, and of its second, to be called for every picture by one
            thread. It raises RefusedError if the safety gate refuses what it sees.
        """
        sampler, see = Sampler(), self._gate.sequence("the camera")

        def look(pixels: npt.NDArray[Any], seconds: float) -> None:
            if self._gate.looks and sampler.wants(pixels, seconds):
                with self._refusals_logged():
                    see(pixels, "")

        return look

    @property
    def verdict(self) -> Verdict:
        """What the safety gate saw so far."""
        return self._gate.verdict

    def _facts(self) -> list[str]:
        """What the output depends on; live pictures come once and never again."""
        inputs = [fingerprint(path) for path in self._sources]
        inputs.append(secrets.token_hex() if self._target is None else fingerprint(self._target))
        settings = with_consequence(self._settings)
        del settings["segment"]  # where a film is cut does not change its pictures
        # 0 and 0.0 are the same setting.
        plain = {name: float(value) if type(value) is int else value for name, value in settings.items()}
        return [json.dumps(plain, sort_keys=True), *inputs]

    def _look(self, info: MediaInfo) -> None:
        """Show the target to the safety gate."""
        settings, target = self._settings, self._target
        if target is None or not self._gate.looks:
            return
        if info.kind == "picture":
            self._gate.photo(open_image(target, max_pixels=settings.max_pixels).pixels, str(target))
        else:
            check_film(
                self._gate, target, start=settings.start, end=settings.end, max_pixels=settings.max_pixels
            )

    @contextmanager
    def _refusals_logged(self) -> Iterator[None]:
        """Keep in the log that something was refused; nothing of inputs that nobody should keep track of."""
        try:
            yield
        except RefusedError as error:
            detail = {"omote": __version__, "why": str(getattr(error, "reason", type(error).__name__))}
            safety = error.verdict if isinstance(error, SafetyRefusedError) else None
            inputs = () if safety and safety.young else digests(self._sources, self._target)
            gate = safety.as_dict() if safety else {}
            self._log.append(Entry("refused", inputs=inputs, gate=gate, detail=detail), now())
            raise
