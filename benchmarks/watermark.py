"""Measure the watermark: how well it hides, what it outlives, what it costs, and how often it is seen
where none is.

    python benchmarks/watermark.py --shared ../shared [--pictures N] [--films N] [--crops N]

Pictures: those of the evaluation media whose sides are both at least 300 px, cut to 1024 × 1024 around their
middle where larger. Each is marked with an identifier of its own, processed, and searched for blindly; it
counts as found where that very identifier is read. "Crop" keeps a window of 70 % of each side, at a drawn
place. Films: the first frames of each, luma marked, encoded by x264 (preset medium) with the mark and
without; the first 24 and the last 24 frames are searched. False alarms: crops of 128 to 320 px of unmarked
pictures. Time: medians of the processor's time, one thread, 1080p.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from statistics import mean, median
from typing import Any

import av
import cv2
import numpy as np

from omote.trust.watermark import FRAMES, RELIABLE, SMALLEST, Watermark, find_mark
from omote.trust.watermark.detect import FALSE_ALARM, Finder, false_alarm
from omote.trust.watermark.geometry import likely_geometries
from omote.trust.watermark.whiten import whitened_sums

Pixels = np.ndarray[Any, Any]
LARGEST = 1024


def jpeg(quality: int) -> Callable[[Pixels, np.random.Generator], Pixels]:
    """JPEG, 4:2:0."""

    def process(pixels: Pixels, _: np.random.Generator) -> Pixels:
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(coded, cv2.IMREAD_COLOR)

    return process


def scale(by: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    """Made larger or smaller."""
    how = cv2.INTER_AREA if by < 1 else cv2.INTER_CUBIC
    return lambda pixels, _: cv2.resize(pixels, None, fx=by, fy=by, interpolation=how)


def crop(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A window of 70 % of each side."""
    height, width = (int(0.7 * side) for side in pixels.shape[:2])
    top, left = (
        int(rng.integers(0, whole - part + 1))
        for whole, part in zip(pixels.shape, (height, width), strict=False)
    )
    return pixels[top : top + height, left : left + width]


def turn(degrees: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    """Turned about the middle, black corners."""

    def process(pixels: Pixels, _: np.random.Generator) -> Pixels:
        height, width = pixels.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC)

    return process


def screenshot(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shown at a drawn size on a grey page, with the screen's rounding, and cut out with some of the page."""
    by = float(rng.uniform(0.6, 1.3))
    shown = cv2.resize(pixels, None, fx=by, fy=by, interpolation=cv2.INTER_LINEAR)
    page = np.full((shown.shape[0] + 90, shown.shape[1] + 70, 3), 235, np.uint8)
    page[53 : 53 + shown.shape[0], 31 : 31 + shown.shape[1]] = shown
    return cv2.imdecode(cv2.imencode(".png", page)[1], cv2.IMREAD_COLOR)


def brightness(by: float) -> Callable[[Pixels, np.random.Generator], Pixels]:
    """All values times a factor."""
    return lambda pixels, _: np.clip(np.rint(pixels * by), 0, 255).astype(np.uint8)


PROCESSES: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "untouched": lambda pixels, _: pixels,
    "JPEG q75": jpeg(75),
    "JPEG q50": jpeg(50),
    "scale 50 %": scale(0.5),
    "scale 73 %": scale(0.73),
    "scale 120 %": scale(1.2),
    "scale 160 %": scale(1.6),
    "crop 30 % of each side": crop,
    "rotation +3°": turn(3),
    "rotation -3°": turn(-3),
    "rotation +1.4°": turn(1.4),
    "flip": lambda pixels, _: pixels[:, ::-1],
    "PNG screenshot": screenshot,
    "brightness +15 %": brightness(1.15),
    "brightness -15 %": brightness(0.85),
    "crop, then JPEG q75": lambda pixels, rng: jpeg(75)(crop(pixels, rng), rng),
}


def pictures(shared: Path, most: int) -> Iterator[tuple[str, Pixels]]:
    """Evaluation pictures, RGB."""
    paths = [path for path in sorted((shared / "media/eval").rglob("*")) if path.suffix == ".jpg"]
    readable = [(path.stem, cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in paths]
    large = [(name, picture) for name, picture in readable if min(picture.shape[:2]) >= RELIABLE]
    chosen = np.linspace(0, len(large) - 1, min(most, len(large))).round().astype(int)
    for name, picture in (large[index] for index in chosen):
        top, left = (max(0, side - LARGEST) // 2 for side in picture.shape[:2])
        yield name, picture[top : top + LARGEST, left : left + LARGEST]


def measure_small(shared: Path, most: int) -> None:
    """What smaller pictures bear: the middles of the evaluation pictures, shrunk to 300 px first."""
    processes = ("untouched", "JPEG q75", "JPEG q50", "scale 50 %", "crop 30 % of each side")
    print(f"\n| px | {' | '.join(processes)} |\n|{'---|' * (1 + len(processes))}")
    rng = np.random.default_rng(3)
    for side in (128, 160, 192, 224, 256):
        found: dict[str, list[bool]] = {name: [] for name in processes}
        for name, picture in pictures(shared, most):
            by = RELIABLE / min(picture.shape[:2])
            small = cv2.resize(picture, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
            top, left = ((length - side) // 2 for length in small.shape[:2])
            marked = Watermark(identifier_of(name)).mark(small[top : top + side, left : left + side])
            for label, results in found.items():
                reading = find_mark(PROCESSES[label](marked, rng))
                results.append(reading is not None and reading.identifier == identifier_of(name))
        cells = (f"{100 * mean(results):.0f} %" for results in found.values())
        print(f"| {side} | {' | '.join(cells)} |", flush=True)


def identifier_of(name: str) -> int:
    """An identifier for a file."""
    return int.from_bytes(sha256(name.encode()).digest()[:6], "big")


def measure_pictures(shared: Path, most: int) -> None:
    """PSNR, and how many marks are found after each process."""
    found: dict[str, list[bool]] = {name: [] for name in PROCESSES}
    scores: dict[str, list[float]] = {name: [] for name in PROCESSES}
    seconds: list[float] = []
    psnr: dict[str, float] = {}
    misses: list[str] = []
    rng = np.random.default_rng(0)
    for name, picture in pictures(shared, most):
        identifier = identifier_of(name)
        marked = Watermark(identifier).mark(picture)
        psnr[name] = cv2.PSNR(picture, marked)
        for label, process in PROCESSES.items():
            processed = process(marked, rng)
            start = time.process_time()
            reading = find_mark(processed)
            seconds.append(time.process_time() - start)
            right = reading is not None and reading.identifier == identifier
            found[label].append(right)
            scores[label].append(reading.score if reading else 0)
            if not right:
                misses.append(f"{label}: {name} {picture.shape[1]}×{picture.shape[0]}")
    least, usual = min(psnr.values()), median(psnr.values())
    print(f"\n{len(psnr)} pictures; PSNR median {usual:.1f} dB, least {least:.1f} dB")
    print(f"search: {1e3 * median(seconds):.0f} ms\n\n| process | found | least score |\n|---|---|---|")
    for label, results in found.items():
        rate = f"{sum(results)}/{len(results)} = {100 * mean(results):.1f} %"
        print(f"| {label} | {rate} | {min(scores[label]):.1f} |")
    print(*(f"missed: {miss}" for miss in misses), sep="\n", flush=True)


@dataclass
class Clip:
    """Frames of a film, 4:2:0: luma, and chroma as it lies in memory."""

    name: str
    luma: list[Pixels] = field(default_factory=list)
    chroma: list[tuple[Pixels, Pixels]] = field(default_factory=list)


def clips(shared: Path, most: int, frames: int) -> Iterator[Clip]:
    """The test films of the usual kind: square pixels, no rotation, 8 bits."""
    folder = shared / "media/video"
    paths = sorted(folder.glob("*.m*")) + [
        folder / "edge" / name
        for name in (
            "scene_cut_two_people.mp4",
            "four_faces_noaudio.mp4",
            "moving_occluder.mp4",
            "two_faces_audio.mp4",
        )
    ]
    for path in paths[:most]:
        clip = Clip(path.stem)
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                planes = _planes(frame.reformat(format="yuv420p"))
                clip.luma.append(planes[0])
                clip.chroma.append((planes[1], planes[2]))
                if len(clip.luma) == frames:
                    break
        yield clip


def _planes(frame: av.VideoFrame) -> list[Pixels]:
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].copy()
        for plane in frame.planes
    ]


def encode(clip: Clip, luma: list[Pixels], crf: int) -> tuple[int, list[Pixels]]:
    """Size in bytes as x264 makes it, and the decoded luma."""
    buffer, size = io.BytesIO(), 0
    height, width = luma[0].shape
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=30, options={"crf": str(crf), "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, (first, rest) in enumerate(zip(luma, clip.chroma, strict=True)):
            stacked = np.concatenate([plane.ravel() for plane in (first, *rest)])
            frame = av.VideoFrame.from_ndarray(stacked.reshape(height * 3 // 2, width), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            for packet in stream.encode(frame):
                size += packet.size
                container.mux(packet)
        for packet in stream.encode():
            size += packet.size
            container.mux(packet)
    buffer.seek(0)
    with av.open(buffer) as container:
        return size, [_planes(frame)[0] for frame in container.decode(video=0)]


def measure_films(shared: Path, most: int, frames: int) -> None:
    """What the mark costs, and whether it is found."""
    print("\n| film | frames | PSNR | crf 23 | cost | score | crf 28 | cost | score |")
    print("|---|---|---|---|---|---|---|---|---|")
    costs: dict[int, list[float]] = {23: [], 28: []}
    for clip in clips(shared, most, frames):
        identifier = identifier_of(clip.name)
        mark = Watermark(identifier)
        marked = [mark.mark_luma(plane, 255, full_range=False) for plane in clip.luma]
        psnr = median(cv2.PSNR(*pair) for pair in zip(clip.luma, marked, strict=True))
        cells = []
        for crf in (23, 28):
            plain, _ = encode(clip, clip.luma, crf)
            size, decoded = encode(clip, marked, crf)
            costs[crf].append(size / plain - 1)
            scores = []
            for part in (decoded[:FRAMES], decoded[-FRAMES:]):
                reading = find_mark(part)
                right = reading is not None and reading.identifier == identifier
                scores.append(f"{reading.score:.1f}" if reading and right else "**no**")
            cells.append(f"{plain / 1000:.0f} kB | {100 * costs[crf][-1]:+.1f} % | {', '.join(scores)}")
        print(f"| {clip.name} | {len(marked)} | {psnr:.1f} | {' | '.join(cells)} |", flush=True)
    for crf, values in costs.items():
        usual = f"mean {100 * mean(values):.1f} %, median {100 * median(values):.1f} %"
        print(f"cost at crf {crf}: {usual}, most {100 * max(values):.1f} %")


def measure_false_alarms(shared: Path, crops: int) -> None:
    """The best pilot score of each unmarked crop, against the bound."""
    finder, rng = Finder(), np.random.default_rng(1)
    sources = [picture for _, picture in pictures(shared, 10_000)]
    pilots, scores, alarms = [], [], 0
    for _ in range(crops):
        source = sources[int(rng.integers(len(sources)))]
        height, width = (int(rng.integers(SMALLEST, min(320, side) + 1)) for side in source.shape[:2])
        top, left = (
            int(rng.integers(0, whole - part + 1))
            for whole, part in zip(source.shape, (height, width), strict=False)
        )
        part = source[top : top + height, left : left + width]
        if rng.random() < 0.5:
            part = jpeg(int(rng.integers(30, 95)))(part, rng)
        plane = whitened_sums(iter([part]))[0].plane
        matches = [
            finder.match(plane, geometry) for geometry in likely_geometries(plane, finder.carriers.places)
        ]
        pilots.append(max(match.score for match in matches))
        loud = [match for match in matches if match.score >= min(5.5, pilots[-1])]
        scores.append(max(reading.score for match in loud if (reading := finder.read(match, checked=False))))
        read = [reading for match in loud if (reading := finder.read(match))]
        alarms += any(reading.false_alarm <= FALSE_ALARM for reading in read)
    gate = next(score for score in np.arange(5, 20, 0.01) if false_alarm(float(score)) <= FALSE_ALARM)
    print(f"\nfalse alarms: {alarms} of {crops} unmarked crops")
    print(f"pilots: mean {mean(pilots):.2f}, most {max(pilots):.2f}")
    print(f"all harmonics, with the nearest codeword and no CRC: {_tail(scores, float(gate))}")


def _tail(best: list[float], gate: float) -> str:
    """The best of many trials is Gumbel-distributed: what does that say of the gate?"""
    spread = float(np.std(best)) * 6**0.5 / np.pi
    location = mean(best) - 0.5772 * spread
    beyond = -np.expm1(-np.exp(-(gate - location) / spread))
    usual = f"mean {mean(best):.2f}, most {max(best):.2f}"
    return f"{usual}; gate {gate:.2f}, reached by {beyond:.0e} by Gumbel's law, with CRC {beyond / 65536:.0e}"


def measure_time() -> None:
    """Medians of processor time on one thread."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(2)
    grain = cv2.GaussianBlur(rng.normal(size=(1080, 1920, 3)).astype(np.float32), (0, 0), 2)
    picture = np.clip(128 + 150 * grain, 16, 235).astype(np.uint8)
    luma = np.ascontiguousarray(picture[..., 1])
    ten = luma.astype(np.uint16) * 4
    mark = Watermark(identifier_of("time"))
    marked = mark.mark(picture)
    shrunk = cv2.resize(marked, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    for label, call, times in (
        ("embed, luma of 8 bits", lambda: mark.mark_luma(luma, 255, full_range=False), 40),
        ("embed, luma of 10 bits", lambda: mark.mark_luma(ten, 1023, full_range=False), 40),
        ("embed, RGB of 8 bits", lambda: mark.mark(picture), 20),
        ("find, untouched", lambda: find_mark(marked), 10),
        ("find, scaled to 70 %", lambda: find_mark(shrunk), 5),
        ("find, unmarked", lambda: find_mark(picture), 5),
    ):
        call()
        seconds = []
        for _ in range(times):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
        print(
            f"{label}, 1080p: median {1e3 * median(seconds):.1f} ms, least {1e3 * min(seconds):.1f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with media/eval and media/video")
    parser.add_argument("--pictures", type=int, default=200, help="at most")
    parser.add_argument("--small", type=int, default=40, help="smaller pictures, at most")
    parser.add_argument("--films", type=int, default=20, help="at most")
    parser.add_argument("--frames", type=int, default=150, help="of each film, at most")
    parser.add_argument("--crops", type=int, default=5000, help="unmarked crops for false alarms")
    parser.add_argument("--no-time", action="store_true", help="skip the timing")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    if not (chosen.shared / "media/eval").is_dir():
        sys.exit(f"{chosen.shared}: has no media/eval")
    if chosen.pictures:
        measure_pictures(chosen.shared, chosen.pictures)
    if chosen.small:
        measure_small(chosen.shared, chosen.small)
    if chosen.films:
        measure_films(chosen.shared, chosen.films, chosen.frames)
    if chosen.crops:
        measure_false_alarms(chosen.shared, chosen.crops)
    if not chosen.no_time:
        measure_time()


if __name__ == "__main__":
    main()
