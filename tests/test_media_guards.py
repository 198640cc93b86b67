"""Broken films, full disks, shut folders, killed runs: one clear line, and nothing half-done stays."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from omote.errors import InputError, UsageError
from omote.media import Picture, VideoReader, VideoWriter, probe, save_image
from omote.media.atomic import AtomicFile
from tests.media_files import make_film, texture


def copy(source: Path, target: Path, **options) -> int:
    with VideoReader(source) as reader, VideoWriter(target, reader, **options) as writer:
        for frame in reader:
            writer.write(frame)
    return writer.frames


def noisy_film(path: Path, codec: str = "libx264", count: int = 40) -> Path:
    """A film whose packets are large, so that a cut goes through the middle of the pictures."""
    options = {"crf": "10", "g": "10"} if codec == "libx264" else {}
    return make_film(
        path, codec=codec, count=count, size=(160, 120), options=options, extras=path.suffix != ".ts"
    )


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.97])
def test_a_truncated_film_is_refused(suffix: str, part: float, tmp_path: Path) -> None:
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(suffix, "libx264")
    if suffix in ("webm", "avi"):
        whole = make_film(tmp_path / f"whole.{suffix}", codec=codec, count=40, size=(160, 120), rate=25)
    else:
        whole = noisy_film(tmp_path / f"whole.{suffix}", codec)
    data = whole.read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(data[: int(len(data) * part)])
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(InputError) as caught:
        copy(cut, folder / f"out.{suffix}")
    assert str(cut) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_film_with_holes_is_refused_or_told(suffix: str, tmp_path: Path) -> None:
    """Zeroed bytes in the middle: either an error or a warning, never silence."""
    data = bytearray(noisy_film(tmp_path / f"whole.{suffix}").read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 5] = bytes(len(data) // 5)
    (tmp_path / f"holes.{suffix}").write_bytes(bytes(data))
    with VideoReader(tmp_path / f"holes.{suffix}") as reader:
        try:
            frames = len(list(reader))
        except InputError:
            return
    assert reader.warnings
    assert frames > 0


def test_a_film_without_an_index_is_refused(tmp_path: Path) -> None:
    data = make_film(tmp_path / "whole.mp4").read_bytes()
    place = data.index(b"moov")
    (tmp_path / "cut.mp4").write_bytes(data[: place - 4])
    with pytest.raises(InputError, match="no index"):
        probe(tmp_path / "cut.mp4")


def test_files_that_are_no_films(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film at all\n" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "zeros.mkv").write_bytes(bytes(5000))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost/secret.ts\n")
    (tmp_path / "ff.txt").write_text("ffconcat version 1.0\nfile other.mp4\n")
    for path in tmp_path.iterdir():
        with pytest.raises(InputError) as caught:
            probe(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        VideoReader(tmp_path / "none.mp4")
    with pytest.raises(InputError, match="is a folder"):
        VideoReader(tmp_path)
    save_image(tmp_path / "a.png", Picture(texture()))
    with pytest.raises(InputError, match="is a picture, not a film"):
        VideoReader(tmp_path / "a.png")


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", extras=True, count=20)
    with av.open(str(source)) as film, av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as out:
        stream = out.add_stream_from_template(film.streams.audio[0], opaque=True)
        for packet in film.demux(film.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with pytest.raises(InputError, match="no moving pictures"):
        probe(tmp_path / "sound.m4a")


def test_a_film_beyond_the_pixel_limit_is_refused_from_its_header(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=2)
    with pytest.raises(InputError, match="--max-pixels"):
        VideoReader(source, max_pixels=64 * 48 - 1)


@pytest.mark.parametrize(
    "name", ["vacances à la mer.mp4", "動画 1.mkv", 'a\'b "c" %d.mov', "-start.mp4", "http:x.mp4"]
)
def test_film_names_of_every_kind(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "Übung 日本"
    folder.mkdir()
    source = make_film(tmp_path / "in.mp4", count=3)
    source.rename(folder / "quelle ß.mp4")
    assert copy(folder / "quelle ß.mp4", folder / name) == 3
    assert probe(folder / name).width == 64


def test_nothing_appears_before_the_end_or_after_an_error(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=5)
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "out.mp4"
    for error in (KeyboardInterrupt, RuntimeError, GeneratorExit):
        with pytest.raises(error), VideoReader(source) as reader, VideoWriter(target, reader) as writer:
            for frame in reader:
                writer.write(frame)
                assert not target.exists()
                if frame.index == 3:
                    raise error
        assert list(folder.iterdir()) == []
    target.write_text("the old file")
    with pytest.raises(RuntimeError), VideoReader(source) as reader, VideoWriter(target, reader) as writer:
        writer.write(next(reader))
        raise RuntimeError
    assert target.read_text() == "the old file"
    assert copy(source, target) == 5
    assert [p.name for p in folder.iterdir()] == ["out.mp4"]
    assert target.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_empty_film_is_not_written(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=2)
    with VideoReader(source) as reader, pytest.raises(InputError, match="not one frame"):
        VideoWriter(tmp_path / "out.mp4", reader).close()
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out.png"])
def test_a_folder_that_cannot_be_written_is_found_at_once(name: str, tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=2)
    missing = tmp_path / "none" / name
    blocked = tmp_path / "file" / name
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / name).mkdir(parents=True)
    for target in (missing, blocked, tmp_path / "folder" / name):
        with pytest.raises(InputError) as caught:
            if name.endswith("png"):
                save_image(target, Picture(texture()))
            else:
                VideoWriter(target, VideoReader(source))
        assert str(target) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "shut"
    folder.mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written"):
        AtomicFile(folder / "a.png")


def test_the_output_must_not_be_the_input(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=2)
    (tmp_path / "link.mp4").symlink_to(source)
    for target in (source, tmp_path / "." / "in.mp4", tmp_path / "link.mp4"):
        with VideoReader(source) as reader, pytest.raises(UsageError, match="the output is the input"):
            VideoWriter(target, reader)


_LIMITED = """
import resource, sys
from pathlib import Path
from omote.errors import OmoteError
from omote.media import VideoReader, VideoWriter, open_image, save_image
source, target, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if target.endswith((".png", ".jpg")):
        save_image(target, open_image(source))
    else:
        with VideoReader(source) as reader, VideoWriter(target, reader) as writer:
            for frame in reader:
                writer.write(frame)
except OmoteError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    "name", ["out.mp4", "out.mkv", "out.avi", "out.gif", "out.webp", "out.apng", "out.png"]
)
def test_a_full_disk_is_reported_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    if name.endswith("png") and not name.endswith("apng"):
        source = tmp_path / "in.bmp"
        noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
        save_image(source, Picture(noise))
    else:
        source = make_film(tmp_path / "in.mp4", count=30, size=(160, 120))
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(source), str(folder / name), "9000"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"{folder / name}: ")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert list(folder.iterdir()) == []


_SLOW = """
import sys, time
from omote.media import VideoReader, VideoWriter
with VideoReader(sys.argv[1]) as reader, VideoWriter(sys.argv[2], reader) as writer:
    for frame in reader:
        writer.write(frame)
        print(frame.index, flush=True)
        time.sleep(0.2)
"""


def test_a_killed_run_leaves_no_final_file_and_is_swept_up(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=20)
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "out.mp4"
    child = subprocess.Popen([sys.executable, "-c", _SLOW, str(source), str(target)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    other = AtomicFile(folder / "other.mp4")
    while_alive = [p.name for p in folder.iterdir()]
    AtomicFile(target).discard()  # another run for the same target must not touch the living one's file
    assert [p.name for p in folder.iterdir()] == while_alive
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=10)
    child.stdout.close()
    left = [p for p in folder.iterdir() if p.name.startswith(".out.mp4")]
    assert len(left) == 1
    assert not target.exists()
    assert copy(source, target) == 20
    other.discard()
    assert [p.name for p in folder.iterdir()] == ["out.mp4"]


def test_two_runs_for_one_target_do_not_disturb_each_other(tmp_path: Path) -> None:
    source = make_film(tmp_path / "in.mp4", count=15)
    target = tmp_path / "out" / "out.mp4"
    target.parent.mkdir()
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(copy(source, target))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [15, 15, 15]
    assert probe(target).frames == 15
    assert [p.name for p in target.parent.iterdir()] == ["out.mp4"]


def test_errors_while_writing_become_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_film(tmp_path / "in.mp4", count=3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"out\.mp4: cannot be written \(No space left on device\)"):
        copy(source, tmp_path / "out.mp4")
    with pytest.raises(InputError, match=r"a\.png: cannot be written"):
        save_image(tmp_path / "a.png", Picture(texture()))
    assert not [p for p in tmp_path.iterdir() if "part" in p.name]


_COPY = """
import sys
from omote.errors import OmoteError
from omote.media import VideoReader, VideoWriter, probe
source, folder = sys.argv[1:]
for name, codec in (("a.mp4", "x264"), ("b.mp4", "x265"), ("c.mp4", "av1"), ("d.webm", "vp9")):
    with VideoReader(source) as reader, VideoWriter(f"{folder}/{name}", reader, codec=codec) as writer:
        for frame in reader:
            writer.write(frame)
try:
    probe(f"{folder}/bad.mp4")
except OmoteError:
    sys.exit(7)
"""


def test_the_terminal_stays_quiet(tmp_path: Path) -> None:
    # In a process of its own: SVT-AV1 asks once whether it may speak, and other tests may have asked before.
    source = make_film(tmp_path / "in.mp4", count=3)
    (tmp_path / "bad.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(2000))
    command = [sys.executable, "-c", _COPY, str(source), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


_MEMORY = """
import resource, sys
from omote.media import VideoReader, VideoWriter
with VideoReader(sys.argv[1]) as reader, VideoWriter(sys.argv[2], reader, preset="ultrafast") as writer:
    for frame in reader:
        writer.write(frame)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = []
    for count in (150, 1500):
        source = make_film(tmp_path / f"{count}.mp4", count=count, size=(320, 240), extras=True)
        done = subprocess.run(
            [sys.executable, "-c", _MEMORY, str(source), str(tmp_path / "out.mkv")],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 25, peaks
