"""A film as a list of segments: worked on one by one or by several workers, gone on with, joined."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from omote.errors import InputError, NoFaceError, UsageError
from omote.media import MediaInfo
from omote.media.cutting import CutFilm, cut_film
from omote.media.pieces import Encoding, join
from omote.media.sealed import SealedFile
from omote.pipelines.cluster import ClusterWorkers
from omote.pipelines.cluster_reach import reached
from omote.pipelines.examination import Examination
from omote.pipelines.job import Job
from omote.pipelines.job_description import JobDescription
from omote.pipelines.job_folder import JobFolder, job_path, whole
from omote.pipelines.provenance import Provenance
from omote.pipelines.report import Counts, Progress, Reporter
from omote.pipelines.segments import FilmOrder, FindTask, swap_tasks
from omote.pipelines.settings import SwapSettings
from omote.pipelines.workers import Processes, ThisProcess, Workers
from omote.zoo import Networks

_LEAST = 2
"""A film of no more segments than this is made in one go: there is not enough to lose."""


@dataclass(frozen=True)
class FilmRequest:
    """What a user asked for."""

    sources: tuple[Path, ...]
    target: Path
    output: Path
    settings: SwapSettings
    resume: bool = False

    @property
    def encoding(self) -> Encoding:
        """How the output is encoded."""
        settings = self.settings
        return Encoding(self.output, settings.codec, settings.quality, settings.preset)

    @property
    def command(self) -> str:
        """The command that goes on with the job."""
        said = ["omote", "swap", *(str(path.absolute()) for path in (*self.sources, self.target))]
        said += ["--output", str(self.output.absolute())]
        casting = self.settings.casting.options()
        for setting in fields(SwapSettings):
            value = getattr(self.settings, setting.name)
            option = "--" + setting.name.replace("_", "-")
            if setting.name in casting:
                said += [word for entry in casting[setting.name] for word in (option, entry)]
            elif value != setting.default:
                flag = {True: [option], False: ["--no-" + option[2:]]}
                said += flag[value] if isinstance(value, bool) else [option, str(value)]
        return shlex.join([*said, "--resume"])


def in_segments(request: FilmRequest, info: MediaInfo) -> bool:
    """Whether a film is made segment by segment: a long one, or one whose user asks for it.

    Raises:
        UsageError: an unfinished job lies beside the output, and the request is not to go on with it; or what
            was asked for cannot be cut.
    """
    folder = JobFolder(job_path(request.output))
    if folder.is_strange():
        raise UsageError(f"{folder.path}: is in the way and no job of omote: move it, or name another output")
    if folder.begun() and not request.resume:
        _refuse_unfinished(folder)
    settings = request.settings
    asked = request.resume or settings.shared
    if not settings.segment or not (asked or _length(settings, info) > _LEAST * settings.segment):
        return False
    if request.encoding.joinable(info):
        return True
    if settings.shared:
        raise UsageError(
            f"{request.output}: animations and transparent VP9 are not cut: leave --workers and --cluster out"
        )
    return False


def _length(settings: SwapSettings, info: MediaInfo) -> float:
    """Seconds of film that are asked for; endless where it is not known."""
    known = [end for end in (settings.end, info.duration) if end is not None]
    return min(known, default=float("inf")) - (settings.start or 0)


def _refuse_unfinished(folder: JobFolder) -> None:
    found, made, count = folder.counts()
    raise UsageError(
        f"{folder.path}: an unfinished job lies there (faces found in {found}, swapped in {made} of {count} "
        f"segments): go on with --resume, or begin anew after: omote jobs --remove {folder.path}"
    )


def refuse_no_face(target: Path, settings: SwapSettings) -> None:
    """Raise NoFaceError unless a target without a face is to be copied through."""
    if not settings.allow_no_face:
        raise NoFaceError(
            f"{target}: no face found (--face {settings.face}); --allow-no-face copies it through"
        )


def swap_in_segments(
    request: FilmRequest,
    info: MediaInfo,
    networks: Networks | None,
    examination: Examination,
    report: Reporter,
) -> Counts:
    """Make a film segment by segment; what is finished stays in a job folder until the film is whole.

    Args:
        request: what was asked for.
        info: of the film.
        networks: where networks are opened; only for a single worker.
        examination: looks at all inputs, and permits the job.
        report: called after every frame, or now and then.

    Raises:
        UsageError: the job was begun with other settings or software, or another process works on it.
        InputError: an input cannot be read, has changed since the job was begun, or the output or the job
            folder cannot be written; the cluster cannot be reached.
        NoFaceError: no face in the whole film, or none in a source.
    """
    settings, folder = request.settings, JobFolder(job_path(request.output))
    request.encoding.writer(info).abort()  # refuses now what would be refused at the end
    with reached(settings.cluster):
        job = Job(request.sources, settings, networks=networks, watch=examination.source)
        provenance = examination.permit(request.output, info)
        cards = job.cards
        with folder.locked():
            description = JobDescription.of(request.sources, request.target, settings, cards)
            order, provenance = _begin(request, info, description, folder, provenance)
            try:
                counts = _work(order, job, _workers(order, job), provenance, report)
            except BaseException as error:
                if _hopeless(error, request.target) or not any(folder.counts()[:2]):
                    folder.remove()
                raise
            folder.remove()
    return replace(counts, networks=cards)


def _workers(order: FilmOrder, job: Job) -> Workers:
    """Who does the tasks, as the settings have it."""
    if order.settings.cluster is not None:
        return ClusterWorkers(order, {card.name: str(card.sha256) for card in job.cards})
    return Processes(order) if order.settings.shared else ThisProcess(order, job)


def _hopeless(error: BaseException, target: Path) -> bool:
    """Whether going on would end in the same way: no face, an impossible timing, a damaged film."""
    about_film = isinstance(error, InputError) and str(error).startswith(f"{target}: ")
    return about_film or isinstance(error, NoFaceError | UsageError)


def _begin(
    request: FilmRequest,
    info: MediaInfo,
    description: JobDescription,
    folder: JobFolder,
    provenance: Provenance,
) -> tuple[FilmOrder, Provenance]:
    """Take up the job that lies in the folder, whose pieces are marked already, or begin it."""
    settings = request.settings
    if folder.begun():
        different = folder.description().difference(description)
        if different is not None:
            raise UsageError(
                f"{folder.path}: {different}; make it as it was, or begin anew after: "
                f"omote jobs --remove {folder.path}"
            )
        film = folder.film(info)
        provenance = provenance.marked_as(folder.mark())
    else:
        film = cut_film(
            info,
            seconds=settings.segment,
            start=settings.start,
            end=settings.end,
            max_pixels=settings.max_pixels,
        )
    if not folder.begun():
        folder.create(description, film, request.command, provenance.identifier)
    encoding = replace(request.encoding, stamp=provenance.stamp)
    return FilmOrder(request.sources, settings, film, folder, encoding), provenance


def _work(order: FilmOrder, job: Job, workers: Workers, provenance: Provenance, report: Reporter) -> Counts:
    film, folder = order.film, order.folder
    numbers = range(len(film.segments))
    found = {n for n in numbers if whole(folder.faces(n)) is not None}
    made = {n for n in numbers if whole(folder.piece(n)) is not None}
    kept = _frames(film, made)
    with workers:
        # Every frame is worked on twice: once to find, once to swap.
        before = _frames(film, found) + kept
        workers.run(
            (FindTask(n) for n in numbers if n not in found),
            lambda done: report(Progress((before + done) // 2, film.frames)),
        )
        notes = _require_faces(order)
        before = film.frames + kept
        workers.run(
            (task for task in swap_tasks(order, job) if task.number not in made),
            lambda done: report(Progress(min((before + done) // 2, film.frames), film.frames)),
        )
    pieces = [folder.piece(n) for n in numbers if SealedFile(folder.faces(n)).head["stamps"]]

    def publish(finished: Path) -> None:
        notes.extend(provenance.publish(finished, job.cards))

    notes += join(pieces, film, order.encoding, publish)
    facts = [SealedFile(piece).head["facts"] for piece in pieces]
    heads = [*(SealedFile(folder.faces(n)).head for n in numbers), *facts]
    report(Progress(film.frames, film.frames))
    return Counts(
        frames=sum(fact["frames"] for fact in facts),
        swapped=sum(fact["swapped"] for fact in facts),
        empty=sum(fact["empty"] for fact in facts),
        stages=_added(head["seconds"] for head in heads),
        notes=tuple(notes),
        kept=kept,
    )


def _frames(film: CutFilm, numbers: Iterable[int]) -> int:
    return sum(film.segments[number].frames for number in numbers)


def _require_faces(order: FilmOrder) -> list[str]:
    """Notes on damaged frames; raises NoFaceError if there is no face, InputError if too much is damaged."""
    film = order.film
    heads = [SealedFile(order.folder.faces(n)).head for n in range(len(film.segments))]
    notes = film.require(sum(len(head["stamps"]) for head in heads))
    if damaged := sum(head["damaged"] for head in heads):
        notes.append(f"{film.info.path.name}: {damaged} damaged frames were decoded as well as could be")
    if not any(head["faces"] for head in heads):
        refuse_no_face(film.info.path, order.settings)
    return notes


def _added(times: Iterable[dict[str, float]]) -> dict[str, float]:
    """Seconds per stage, added up."""
    total: dict[str, float] = {}
    for seconds in times:
        for stage, spent in seconds.items():
            total[stage] = total.get(stage, 0.0) + spent
    return total
