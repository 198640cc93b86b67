"""What reading and writing a film costs: decoding, conversion to and from RGB, and each encoder.

    python benchmarks/media.py FILM [--frames 60] [--codec NAME ...]

Prints, for the first frames of FILM: the time to open it and to its first frame; frames a second of decoding
with conversion to RGB; then for each encoder at its default quality and speed the frames a second of
conversion and encoding, processor time a frame, PSNR of the RGB pixels against the source, and bits a pixel.
Encoders of the graphics hardware are measured where they open.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from omote.media import ENCODERS, Frame, MediaInfo, VideoReader, VideoWriter, available_encoders

SUFFIX = {"prores": "mov", "mpeg4": "avi", "mjpeg": "avi"}


def read(film: Path, count: int) -> tuple[MediaInfo, list[Frame]]:
    """The first frames of a film, and what opening and decoding cost, printed."""
    begin = time.perf_counter()
    with VideoReader(film) as reader:
        opened = time.perf_counter()
        frames = [next(reader)]
        first = time.perf_counter()
        for frame in reader:
            frames.append(frame)
            if len(frames) >= count:
                break
        end = time.perf_counter()
    height, width = frames[0].pixels.shape[:2]
    print(f"{film.name}: {width} x {height}, {reader.info.codec}, {len(frames)} frames")
    print(f"open {1e3 * (opened - begin):.0f} ms, first frame {1e3 * (first - opened):.0f} ms")
    print(f"decode and convert to RGB: {(len(frames) - 1) / (end - first):.0f} frames/s")
    return reader.info, frames


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """In dB, of arrays that may differ in depth."""
    scaled = [a.astype(np.float64) / np.iinfo(a.dtype).max for a in (one, other)]
    return float(-10 * np.log10(np.square(scaled[0] - scaled[1]).mean() + 1e-12))


def encode(name: str, info: MediaInfo, frames: list[Frame], folder: Path) -> str:
    """One row of the table."""
    target = folder / f"out.{SUFFIX.get(name, 'mkv')}"
    begin, cpu = time.perf_counter(), time.process_time()
    with VideoWriter(target, info, codec=name) as writer:
        for frame in frames:
            writer.write(frame)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    likeness = [
        psnr(a.pixels, b.pixels) for a, b in zip(frames[::5], list(VideoReader(target))[::5], strict=True)
    ]
    bits = target.stat().st_size * 8 / len(frames) / frames[0].pixels[..., 0].size
    return (
        f"{name:20} {len(frames) / wall:9.1f} {1e3 * cpu / len(frames):9.1f} "
        f"{np.mean(likeness):9.1f} {bits:9.3f}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--codec", nargs="+", choices=sorted(ENCODERS))
    options = parser.parse_args()
    info, frames = read(options.film, options.frames)
    alone = replace(info, path=Path("none"), audio=(), subtitles=(), others=())
    print(f"{'encoder':20} {'frames/s':>9} {'cpu ms':>9} {'PSNR dB':>9} {'bit/pixel':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.codec or [e.name for e in available_encoders()]:
            print(encode(name, alone, frames, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
