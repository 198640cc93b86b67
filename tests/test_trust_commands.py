"""`omote consent` and `omote audit`, from the first photo to the refusal."""

import io
import json
import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from omote.cli.rights import ask_for_rights
from omote.errors import RefusedError, UsageError
from omote.trust.audit import AuditLog, Entry
from omote.trust.home import trust_folder
from omote.trust.signing import Signer
from tests.conftest import Command


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMOTE_HOME", str(tmp_path / "home"))
    return trust_folder()


@pytest.fixture
def record(omote: Command, tmp_path: Path, source: Path) -> Path:
    path = tmp_path / "anna.json"
    made = omote("consent", "new", source, "--subject", "Anna", "--until", "2999-01-01", "-o", path)
    assert made.code == 0, made.err
    assert "not signed yet" in made.out
    return path


def test_a_consent_is_made_signed_verified_and_revoked(
    omote: Command, record: Path, source: Path, target: Path
):
    unsigned = omote("consent", "verify", record)
    assert (unsigned.code, unsigned.out) == (5, "")
    assert "omote consent sign" in unsigned.err
    assert omote("consent", "sign", record).code == 0
    assert omote("consent", "verify", record, "--photo", source).code == 0
    other = omote("consent", "verify", record, "--photo", target, "--json")
    assert other.code == 5
    assert "another face" in other.err
    assert json.loads(other.out)["reason"] == "face"
    digest = json.loads(omote("consent", "show", record, "--json").out)["sha256"]
    assert omote("consent", "revoke", digest).code == 0
    gone = omote("consent", "verify", record)
    assert gone.code == 5
    assert "was revoked" in gone.err


def test_a_record_is_readable_by_its_owner_only_and_is_never_overwritten(
    omote: Command, record: Path, source: Path
):
    if os.name == "posix":
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
    before = record.read_bytes()
    again = omote("consent", "new", source, "--subject", "Bert", "-o", record)
    assert again.code == 3
    assert "exists already" in again.err
    assert record.read_bytes() == before


def test_a_record_tells_its_scope(omote: Command, tmp_path: Path, source: Path):
    path = tmp_path / "scope.json"
    arguments = ("--project", "Faust", "--media", "film", "--note", "no politics")
    assert omote("consent", "new", source, "--subject", "P-7", "-o", path, *arguments).code == 0
    assert omote("consent", "sign", path).code == 0
    shown = omote("consent", "show", path).out
    for words in ("P-7", "Faust", "film", "no politics", "of 1 photo\n"):
        assert words in shown
    assert omote("consent", "verify", path, "--medium", "film", "--project", "Faust").code == 0
    assert omote("consent", "verify", path, "--medium", "photo", "--project", "Faust").code == 5
    assert omote("consent", "verify", path, "--medium", "film", "--project", "Macbeth").code == 5


def test_an_own_key_signs_and_other_keys_do_not(omote: Command, record: Path, tmp_path: Path):
    Signer.own(tmp_path / "keys", "anna")
    assert omote("consent", "sign", record, "--key", tmp_path / "keys" / "anna.key").code == 0
    assert omote("consent", "verify", record).code == 0
    wrong = omote("consent", "sign", record, "--key", record)
    assert wrong.code == 3
    assert "no private key" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--until", "tomorrow"), 3, "--until"),
        (("--media", "radio"), 2, "photo or film"),
        (("--subject", " "), 3, "subject"),
    ],
)
def test_odd_scopes_are_refused_in_one_line(
    omote: Command, tmp_path: Path, source: Path, arguments, code, words
):
    made = omote("consent", "new", source, "--subject", "Anna", "-o", tmp_path / "a.json", *arguments)
    assert made.code == code
    assert words in made.err
    assert made.err.count("\n") == 1
    assert not (tmp_path / "a.json").exists()


def test_photos_of_two_people_or_of_nobody_make_no_consent(
    omote: Command, tmp_path: Path, source: Path, target: Path
):
    empty = tmp_path / "grey.png"
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(empty)
    output = tmp_path / "a.json"
    assert omote("consent", "new", empty, "--subject", "Anna", "-o", output).code == 4
    twice = np.hstack([np.asarray(Image.open(source).convert("RGB"))] * 2)
    Image.fromarray(twice).save(tmp_path / "both.png")
    crowd = omote("consent", "new", tmp_path / "both.png", "--subject", "Anna", "-o", output)
    assert crowd.code == 3
    assert "2 faces of like size" in crowd.err
    mixed = omote("consent", "new", source, target, "--subject", "Anna", "-o", output)
    assert mixed.code == 3
    assert "another face than the other photos" in mixed.err
    assert not output.exists()


def test_a_face_is_blocked_listed_and_unblocked(omote: Command, source: Path):
    assert "nobody" in omote("consent", "blocked").out
    assert omote("consent", "block", source, "--name", "Anna").code == 0
    assert "Anna" in omote("consent", "blocked").out
    assert [row["name"] for row in json.loads(omote("consent", "blocked", "--json").out)] == ["Anna"]
    assert omote("consent", "unblock", "Anna").code == 0
    assert omote("consent", "unblock", "Anna").code == 2


def test_the_log_is_shown_searched_and_verified(omote: Command, home: Path, source: Path):
    from omote.trust.digests import sha256_of

    assert omote("audit", "show").out == "nothing was logged\n"
    assert omote("audit", "verify").code == 0
    log = AuditLog(home)
    for number in range(3):
        entry = Entry(
            "swap",
            output=f"{number:064x}",
            inputs=(("source", sha256_of(source)),),
            watermark=f"{number:014x}",
        )
        log.append(entry, datetime(2026, 11, 21, tzinfo=UTC))
    assert len(omote("audit", "show").out.splitlines()) == 3
    assert len(omote("audit", "show", "--last", 1).out.splitlines()) == 1
    assert len(omote("audit", "show", "--of", source).out.splitlines()) == 3
    (found,) = json.loads(omote("audit", "show", "--of", f"{2:014x}", "--json").out)
    assert found["output"] == f"{2:064x}"
    whole = json.loads(omote("audit", "verify", "--json").out)
    assert whole["whole"]
    assert omote("audit", "verify", "--anchor", whole["anchor"]).code == 0
    log.path.write_bytes(b"".join(log.path.read_bytes().splitlines(keepends=True)[:2]))
    cut = omote("audit", "verify", "--json")
    assert cut.code == 3
    assert "cut off after line 2" in cut.err
    assert not json.loads(cut.out)["whole"]
    assert omote("audit", "restart").code == 0
    assert omote("audit", "verify").code == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "basis"), [("1\n", "own"), ("3\n", "synthetic"), ("licensed:A-12\n", "licensed")]
)
def test_one_question_is_asked_on_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str, basis: str):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", asked := Terminal())
    assert ask_for_rights(None).basis == basis
    assert asked.getvalue().count("?") == 1
    monkeypatch.setattr(sys, "stderr", asked := Terminal())
    assert ask_for_rights("own").basis == "own"
    assert asked.getvalue() == ""


@pytest.mark.parametrize(("answer", "error"), [("\n", RefusedError), ("", RefusedError), ("5\n", UsageError)])
def test_no_answer_is_a_refusal(monkeypatch: pytest.MonkeyPatch, answer: str, error: type[Exception]):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(error):
        ask_for_rights(None)


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n"))
    with pytest.raises(RefusedError, match="OMOTE_RIGHTS"):
        ask_for_rights(None)


def test_a_swap_is_held_against_consent_and_list_and_every_end_is_logged(
    omote: Command, record: Path, tmp_path: Path, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OMOTE_RIGHTS", raising=False)
    out = tmp_path / "out.jpg"
    unsaid = omote("swap", source, target, "-o", out)
    assert unsaid.code == 5
    assert "--rights own" in unsaid.err
    assert omote("consent", "sign", record).code == 0
    other = omote("swap", target, source, "-o", out, "--rights", f"consent:{record}")
    assert other.code == 5
    assert "another face" in other.err
    assert not out.exists()
    made = omote("swap", source, target, "-o", out, "--rights", f"consent:{record}")
    assert made.code == 0, made.err
    assert omote("consent", "block", source, "--name", "Anna").code == 0
    listed = omote("swap", source, target, "-o", tmp_path / "more.jpg", "--rights", "own")
    assert listed.code == 5
    assert "do-not-swap list" in listed.err
    assert not (tmp_path / "more.jpg").exists()
    digest = json.loads(omote("consent", "show", record, "--json").out)["sha256"]
    lines = json.loads(omote("audit", "show", "--json").out)
    assert [(line["operation"], line["detail"].get("why")) for line in lines] == [
        ("refused", "face"),
        ("face swap", None),
        ("refused", "do-not-swap list"),
    ]
    assert lines[1]["rights"]["consent_sha256"] == digest
    assert omote("audit", "verify").code == 0
    found = json.loads(omote("audit", "show", "--of", out, "--json").out)
    assert [line["number"] for line in found] == [1]
