"""The audit log: what it keeps, and that nobody changes it unseen."""

import hashlib
import json
import multiprocessing
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omote.errors import InputError, RefusedError
from omote.trust.audit import AuditLog, Entry
from omote.trust.audit_verify import entries, find_entries, verify_log

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entry(number: int) -> Entry:
    return Entry(
        "swap",
        output=hashlib.sha256(b"output %d" % number).hexdigest(),
        inputs=(("source", "a" * 64), ("target", f"{number:064x}")),
        networks=(("omote-mesh", "b" * 64),),
        rights={"basis": "own"},
        gate={"state": "unavailable", "reason": "no classifier is installed"},
        watermark=f"{number:012x}",
    )


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "trust")
    for number in range(5):
        log.append(entry(number), NOW)
    return log


def raw(log: AuditLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def test_what_was_written_verifies_and_reads_back(log: AuditLog):
    state = verify_log(log)
    assert (state.lines, state.fault, state.unfinished) == (5, None, 0)
    found = list(entries(log))
    assert [line["number"] for line in found] == [0, 1, 2, 3, 4]
    assert found[3]["output"] == entry(3).output
    assert found[3]["time"] == "2026-11-21T12:00:00Z"


def test_the_folder_and_the_key_are_the_owners_alone(log: AuditLog):
    if os.name != "posix":
        pytest.skip("modes of files are POSIX's")
    assert stat.S_IMODE(log.home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.home.iterdir()} == {0o600}


def test_an_open_folder_is_closed_again(tmp_path: Path):
    if os.name != "posix":
        pytest.skip("modes of files are POSIX's")
    tmp_path.chmod(0o755)
    AuditLog(tmp_path).append(entry(0), NOW)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_nothing_is_made_by_looking(tmp_path: Path):
    state = verify_log(AuditLog(tmp_path / "none"))
    assert (state.lines, state.fault) == (0, None)
    assert list(entries(AuditLog(tmp_path / "none"))) == []
    assert not (tmp_path / "none").exists()


def edit(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"own"', b'"synthetic"'), *lines[3:]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edit, "line 3 was edited"),
        (lambda lines: [*lines[:2], *lines[3:]], "line 3 is missing.*deleted"),
        (lambda lines: lines[1:], "line 1 is missing.*deleted"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 is missing.*another order"),
        (lambda lines: [*lines, lines[4]], "line 6 is missing, line 5 stands in its place"),
        (lambda lines: lines[:3], "cut off after line 3: the head knows of 5"),
        (lambda lines: [], "cut off after line 0"),
        (lambda lines: [*lines[:4], lines[4][:-30]], "cut off after line 4"),
        (lambda lines: [lines[0].replace(b",", b", ", 1), *lines[1:]], "line 1 was edited"),
        (lambda lines: [*lines[:1], b"\n", *lines[1:]], "line 2 was edited"),
        (lambda lines: [*lines, b"{}\n"], "line 6 was edited"),
    ],
)  # fmt: skip
def test_the_first_line_that_was_changed_is_named(log: AuditLog, change, told: str):
    log.path.write_bytes(b"".join(change(raw(log))))
    state = verify_log(log)
    assert state.fault is not None
    assert re.search(told, state.fault)


@pytest.mark.parametrize("which", ["audit.head", "audit.jsonl"])
def test_a_file_that_is_gone_is_missed(log: AuditLog, which: str):
    (log.home / which).unlink()
    assert verify_log(log).fault is not None
    with pytest.raises(RefusedError, match="was changed"):
        log.append(entry(9), NOW)


def test_a_log_of_another_installation_does_not_verify(log: AuditLog, tmp_path: Path):
    other = AuditLog(tmp_path / "other")
    other.append(entry(0), NOW)
    shutil.copy(other.path, log.path)
    fault = verify_log(log).fault
    assert fault is not None
    assert "line 1 was edited" in fault


def test_a_changed_log_takes_no_more_lines_until_it_is_begun_anew(log: AuditLog):
    log.path.write_bytes(b"".join(raw(log)[:3]))
    with pytest.raises(RefusedError, match="omote audit restart"):
        log.append(entry(9), NOW)
    with pytest.raises(RefusedError, match="omote audit restart"):
        log.prepare(NOW)
    aside = log.restart(NOW)
    assert len(aside.read_bytes().splitlines()) == 3
    log.append(entry(9), NOW)
    assert verify_log(log).fault is None
    first = next(entries(log))
    assert first["operation"] == "log begun anew"
    assert first["detail"]["old_log"] == hashlib.sha256(aside.read_bytes()).hexdigest()


def test_a_log_that_vanished_is_begun_anew_and_says_so(log: AuditLog):
    log.path.unlink()
    (log.home / "audit.head").unlink()
    log.prepare(NOW)
    log.append(entry(9), NOW)
    assert [line["operation"] for line in entries(log)] == ["log begun anew", "swap"]


def test_half_a_line_of_a_killed_run_is_repaired_and_told(log: AuditLog):
    half = b'{"detail":{},"gate"'
    log.path.write_bytes(log.path.read_bytes() + half)
    state = verify_log(log)
    assert (state.fault, state.unfinished) == (None, len(half))
    log.append(entry(9), NOW)
    found = list(entries(log))
    assert verify_log(log).fault is None
    assert [line["operation"] for line in found[5:]] == ["log repaired", "swap"]
    assert found[5]["detail"] == {"cut_bytes": str(len(half)), "cut": hashlib.sha256(half).hexdigest()}


def test_a_line_that_the_head_does_not_know_yet_counts(log: AuditLog):
    head = (log.home / "audit.head").read_bytes()
    log.append(entry(9), NOW)
    (log.home / "audit.head").write_bytes(head)  # killed between line and head
    assert verify_log(log).fault is None
    log.append(entry(10), NOW)
    assert verify_log(log).lines == 7
    assert [line["operation"] for line in entries(log)] == ["swap"] * 7


def test_an_old_head_is_no_excuse_for_more_lines(log: AuditLog):
    head = (log.home / "audit.head").read_bytes()
    for number in range(2):
        log.append(entry(number), NOW)
    (log.home / "audit.head").write_bytes(head)
    fault = verify_log(log).fault
    assert fault is not None
    assert "head is older" in fault
    with pytest.raises(RefusedError):
        log.append(entry(9), NOW)


def test_an_anchor_finds_what_the_key_cannot(log: AuditLog, tmp_path: Path):
    kept = tmp_path / "kept"
    shutil.copytree(log.home, kept)
    log.append(entry(9), NOW)
    anchor = verify_log(log).anchor
    log.append(entry(10), NOW)
    assert verify_log(log, anchor).fault is None
    shutil.copytree(kept, log.home, dirs_exist_ok=True)  # the whole folder as it was before
    assert verify_log(log).fault is None
    fault = verify_log(log, anchor).fault
    assert fault is not None
    assert "anchor" in fault


def test_lines_are_found_by_watermark_and_by_digest(log: AuditLog):
    assert [line["number"] for line in find_entries(log, f"{3:012X}")] == [3]
    assert [line["number"] for line in find_entries(log, str(entry(2).output))] == [2]
    assert [line["number"] for line in find_entries(log, "a" * 64)] == [0, 1, 2, 3, 4]
    assert find_entries(log, "f" * 12) == []


def test_names_of_files_and_pictures_have_no_place_in_it(log: AuditLog):
    assert set(json.loads(raw(log)[0])) == {
        "detail", "gate", "inputs", "networks", "number", "operation", "output", "previous", "rights",
        "signature", "time", "watermark",
    }  # fmt: skip


def test_an_entry_that_is_far_too_long_is_no_entry(log: AuditLog):
    with pytest.raises(InputError, match="too long"):
        log.append(Entry("swap", detail={"why": "x" * 300_000}), NOW)
    assert verify_log(log).lines == 5


def _append(home: Path, count: int) -> None:
    for number in range(count):
        AuditLog(home).append(entry(number), NOW)


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(tmp_path, 4)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    state = verify_log(AuditLog(tmp_path))
    assert state.fault is None
    assert len([line for line in entries(AuditLog(tmp_path)) if line["operation"] == "swap"]) == 12


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_found(log: AuditLog, data: st.DataObject):
    path = log.home / data.draw(st.sampled_from(["audit.jsonl", "audit.head"]))
    good = path.read_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(bad))
    try:
        assert verify_log(log).fault is not None
    finally:
        path.write_bytes(good)


def test_wherever_a_write_was_broken_off_the_log_goes_on(log: AuditLog):
    head, size = (log.home / "audit.head").read_bytes(), log.path.stat().st_size
    log.append(entry(9), NOW)
    content = log.path.read_bytes()
    for cut in (size, size + 1, size + 300, len(content) - 1, len(content)):
        log.path.write_bytes(content[:cut])
        (log.home / "audit.head").write_bytes(head)
        assert verify_log(log).fault is None
        log.append(entry(10), NOW)
        operations = [line["operation"] for line in entries(log)][5:]
        whole, begun = cut == len(content), cut > size
        assert operations == ["swap" if whole else "log repaired"] * begun + ["swap"]
        assert verify_log(log).fault is None


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from omote.trust.audit import AuditLog, Entry
log = AuditLog(Path(sys.argv[1]))
print("begun", flush=True)
while True:
    log.append(Entry("swap", watermark="ab" * 6), datetime.now(UTC))
    print(".", end="", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with POSIX's signal")
def test_killed_writers_leave_a_log_that_verifies_and_lose_nothing_they_told_of(tmp_path: Path):
    home = tmp_path / "trust"
    told = 0
    for seconds in (0.05, 0.11, 0.23):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        time.sleep(seconds)
        writer.kill()
        told += len(writer.communicate()[0])
    AuditLog(home).append(entry(0), NOW)
    assert verify_log(AuditLog(home)).fault is None
    kept = sum(line["operation"] == "swap" for line in entries(AuditLog(home)))
    assert told + 1 <= kept <= told + 4


def test_asking_whether_it_is_whole_writes_no_line(log: AuditLog, tmp_path: Path):
    log.prepare(NOW)
    assert verify_log(log).lines == 5
    fresh = AuditLog(tmp_path / "fresh")
    fresh.prepare(NOW)
    assert verify_log(fresh).fault is None
    fresh.append(entry(0), NOW)
    assert [line["operation"] for line in entries(fresh)] == ["swap"]
