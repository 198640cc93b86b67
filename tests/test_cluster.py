"""Films on a Ray cluster of two nodes in this machine: equal to what this process makes, whatever breaks."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omote.errors import InputError, OmoteError
from omote.media.sealed import SealedFile
from omote.pipelines import JobFolder, Progress, SwapReport, SwapSettings, cluster, job_path, swap_file
from omote.pipelines.segments import SwapTask
from tests.conftest import Command, finish, start
from tests.ray_nodes import Nodes, ray_nodes
from tests.test_resume import FRAMES, SEGMENTS, SETTINGS, packets

pytest.importorskip("ray", reason="Ray is not installed: pip install 'omote[cluster]'")
OPTIONS = ["--segment", "0.1", "--end", "0.6", "--preset", "ultrafast", "--detector-size", "192"]
OPTIONS += ["--swapper", "mesh"]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes(2) as started:
        yield started


@pytest.fixture(scope="module")
def unbroken(source: Path, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film, made by segments in this process."""
    out = tmp_path_factory.mktemp("unbroken") / "out.mp4"
    swap_file([source], film, out, SwapSettings(**SETTINGS))
    return out


def on(
    nodes: Nodes, source: Path, film: Path, out: Path, report: Any = lambda _: None, **more: Any
) -> SwapReport:
    settings = SwapSettings(**{**SETTINGS, "cluster": nodes.address, **more})
    return swap_file([source], film, out, settings, report, resume=True)


def require_equal(out: Path, unbroken: Path) -> None:
    assert packets(out) == packets(unbroken)
    assert {path.name for path in out.parent.iterdir() if path.name.startswith(out.name)} == {out.name}


def test_a_cluster_makes_the_same_film(
    nodes: Nodes, source: Path, film: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Progress] = []
    counts: list[int] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        counts.append(len(nodes.workers()))

    monkeypatch.chdir(film.parent)  # paths of the command line are mostly relative
    monkeypatch.setattr(cluster.ClusterWorkers, "_shipped", None)  # nothing is to be copied
    made = on(nodes, source, Path(film.name), tmp_path / "out.mp4", report)
    assert (made.frames, made.swapped, made.empty, made.kept) == (FRAMES, FRAMES, 0, 0)
    assert set(made.stages) == {"decode", "find", "swap", "compose", "encode"}
    assert max(counts) == 2
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert seen[-1] == Progress(FRAMES, FRAMES)
    require_equal(tmp_path / "out.mp4", unbroken)
    nodes.wait_until_idle()


def test_files_that_nodes_do_not_see_go_through_the_store(
    nodes: Nodes, source: Path, film: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Files of this process alone: their names lead nowhere in another one. One piece arrives damaged."""
    arrived: list[Path] = []

    def whole(path: Path) -> SealedFile | None:
        arrived.append(path)
        return None if len(arrived) == SEGMENTS + 1 else SealedFile(path)

    monkeypatch.setattr(cluster, "whole", whole)
    files = [os.open(path, os.O_RDONLY) for path in (source, film)]
    try:
        photo, target = (Path(f"/proc/self/fd/{number}") for number in files)
        made = on(nodes, photo, target, tmp_path / "out.mp4")
    finally:
        for number in files:
            os.close(number)
    assert made.swapped == FRAMES
    assert len(arrived) == 2 * SEGMENTS + 1
    require_equal(tmp_path / "out.mp4", unbroken)
    nodes.wait_until_idle()
    assert [path.name for path in nodes.folder.glob("omote-cluster-*")] == [f"omote-cluster-{os.getuid()}"]
    assert not list(nodes.folder.glob("omote-cluster-*/*"))


def test_resuming_goes_from_machine_to_cluster_and_back(
    nodes: Nodes, source: Path, film: Path, unbroken: Path, tmp_path: Path
):
    out = tmp_path / "out.mp4"
    folder = JobFolder(job_path(out))

    def until(find: int, swap: int) -> Any:
        def report(_: Progress) -> None:
            if folder.counts()[:2] >= (find, swap):
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        on(nodes, source, film, out, until(2, 0), cluster=None)
    with pytest.raises(KeyboardInterrupt):
        on(nodes, source, film, out, until(SEGMENTS, 1))
    nodes.wait_until_idle()
    assert not list(folder.path.glob("**/.*"))
    made = sorted((folder.path / "pieces").iterdir())
    piece = bytearray(made[0].read_bytes())
    piece[len(piece) // 2] ^= 1
    made[0].write_bytes(piece)
    last = on(nodes, source, film, out, cluster=None if len(made) == SEGMENTS else nodes.address)
    assert last.kept == FRAMES // SEGMENTS * (len(made) - 1)
    require_equal(out, unbroken)


def test_interrupted_on_the_command_line(
    nodes: Nodes, source: Path, film: Path, tmp_path: Path, omote: Command
):
    out = tmp_path / "out.mp4"
    surroundings = os.environ | {"RAY_ADDRESS": nodes.address}
    process = start("swap", source, film, "-o", out, *OPTIONS, "--cluster", "auto", env=surroundings)
    folder = JobFolder(job_path(out))
    while not (folder.begun() and folder.counts()[0]):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    done = finish(process, 60)
    assert (done.code, done.out, done.err.count("\n")) == (130, "", 1), done
    assert "go on with --resume" in done.err
    nodes.wait_until_idle()
    assert omote("swap", source, film, "-o", out, *OPTIONS, "--resume").code == 0


def test_nodes_without_the_same_software_are_refused(
    nodes: Nodes, source: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster, "software", lambda: {"omote": "99.0"})
    with pytest.raises(
        InputError, match=rf"^node {os.uname().nodename}: has omote [^ ]+, this machine 99\.0"
    ):
        on(nodes, source, film, tmp_path / "out.mp4")
    assert not list(tmp_path.glob("out*"))


def test_a_cluster_without_room_for_a_worker(nodes: Nodes, source: Path, film: Path, tmp_path: Path):
    with pytest.raises(InputError, match="no node has 2 processors for a worker"):
        on(nodes, source, film, tmp_path / "out.mp4", threads=2)
    assert not list(tmp_path.glob("out*"))


def test_a_segment_that_takes_its_worker_with_it_is_named(
    nodes: Nodes, source: Path, film: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    give, given = cluster.ClusterWorkers._give, []

    def giving(self: Any, worker: Any, task: Any) -> None:
        give(self, worker, task)
        if isinstance(task, SwapTask):
            given.append(task.number)
            nodes.kill_workers()

    monkeypatch.setattr(cluster.ClusterWorkers, "_give", giving)
    with pytest.raises(OmoteError, match="segment 1 of 5 was lost 3 times with its worker"):
        on(nodes, source, film, tmp_path / "out.mp4", workers=1)
    assert given == [0, 0, 0]
    made = on(nodes, source, film, tmp_path / "out.mp4", cluster=None)
    assert made.frames == FRAMES
    require_equal(tmp_path / "out.mp4", unbroken)


def test_a_node_that_dies_is_done_without(
    nodes: Nodes, source: Path, film: Path, unbroken: Path, tmp_path: Path
):
    """While faces are swapped; the last test, for it leaves a single node."""
    killed: list[int] = []

    def report(progress: Progress) -> None:
        if not killed and progress.done > 0.6 * FRAMES and len(nodes.workers()) == 2:
            killed.append(progress.done)
            nodes.kill()

    made = on(nodes, source, film, tmp_path / "out.mp4", report)
    assert killed
    assert killed[0] < FRAMES
    assert (made.frames, made.swapped) == (FRAMES, FRAMES)
    require_equal(tmp_path / "out.mp4", unbroken)
