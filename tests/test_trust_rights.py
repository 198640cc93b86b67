"""Rights and consents: what is refused, and why."""

import contextlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from omote.errors import InputError, RefusedError, UsageError
from omote.trust.blocklist import BlockedError, block, blocked, require_not_blocked, unblock
from omote.trust.canonical import canonical
from omote.trust.consent import Consent, Scope, new_consent, parse_consent, read_consent
from omote.trust.consent_rules import ConsentRefusedError, Use
from omote.trust.revocations import revoke, revoked
from omote.trust.rights import Rights, RightsStatement, check_rights, require_rights
from omote.trust.signing import Signer, signed
from omote.trust.template import THRESHOLD, FaceTemplate, odd_one

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NETWORK = "c" * 64
ANNA, BERT = np.random.default_rng(1).normal(size=(2, 128)).astype(np.float32)
PHOTO = Use("photo")


def like(face: np.ndarray, cosine: float) -> np.ndarray:
    """A vector that is so much like another one."""
    own = face / np.linalg.norm(face)
    other = np.random.default_rng(7).normal(size=own.shape)
    other -= (other @ own) * own
    return (cosine * own + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)).astype(np.float32)


def record(**changes: object) -> Consent:
    scope = Scope((), ("photo", "film"), date(2027, 1, 31), "no politics")
    return replace(new_consent("Anna", scope, FaceTemplate.of(ANNA[None]), NETWORK, NOW), **changes)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "trust"


@pytest.fixture
def signer(home: Path) -> Signer:
    return Signer.own(home, "consent")


def kept(tmp_path: Path, consent: Consent) -> Rights:
    path = tmp_path / "anna.json"
    path.write_bytes(consent.to_bytes())
    return Rights("consent", consents=(path,))


@pytest.mark.parametrize(
    ("text", "rights"),
    [
        ("own", Rights("own")),
        (" Synthetic ", Rights("synthetic")),
        ("public-domain", Rights("public-domain")),
        ("consent", Rights("consent")),
        ("consent:C:/anna.json", Rights("consent", consents=(Path("C:/anna.json"),))),
        ("consent:a.json+b.json", Rights("consent", consents=(Path("a.json"), Path("b.json")))),
        ("licensed:release 12/2026", Rights("licensed", reference="release 12/2026")),
    ],
)
def test_rights_are_read(text: str, rights: Rights):
    assert Rights.parse(text) == rights
    assert Rights.parse(str(rights)) == rights


@pytest.mark.parametrize(
    "text",
    [
        "mine",
        "own:me",
        "licensed",
        "licensed:",
        "consent:",
        "consent: + ",
        "licensed:" + "x" * 201,
        "licensed:a\x1bb",
    ],
)
def test_rights_that_make_no_sense_are_named(text: str):
    with pytest.raises(UsageError, match="--rights"):
        Rights.parse(text)


def test_a_consent_with_a_plus_in_its_name_is_one(tmp_path: Path):
    path = tmp_path / "a+b.json"
    path.touch()
    assert Rights.parse(f"consent:{path}").consents == (path,)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_without_rights_nothing_is_made(text: str | None):
    with pytest.raises(RefusedError, match="--rights own, consent") as refusal:
        require_rights(text)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 5


def test_other_rights_are_taken_at_their_word(home: Path):
    stated = check_rights(Rights.parse("licensed:12"), ANNA[None], NETWORK, PHOTO, NOW, home)
    assert stated.as_dict() == {"basis": "licensed", "reference": "12"}


def test_a_consent_allows_its_own_face(tmp_path: Path, home: Path, signer: Signer):
    consent = record().sign(signer)
    sources = np.stack([ANNA, 3 * like(ANNA, THRESHOLD + 0.02)])
    stated = check_rights(kept(tmp_path, consent), sources, NETWORK, PHOTO, NOW, home)
    assert stated == RightsStatement("consent", None, consent.sha256, consent.signer)
    assert "Anna" not in json.dumps(stated.as_dict())


def test_faces_of_two_people_take_two_consents(tmp_path: Path, home: Path, signer: Signer):
    anna = record().sign(signer)
    bert = replace(record(subject="Bert"), face=FaceTemplate.of(BERT[None])).sign(signer)
    paths = []
    for consent in (anna, bert):
        paths.append(tmp_path / f"{consent.subject}.json")
        paths[-1].write_bytes(consent.to_bytes())
    both, one = Rights("consent", tuple(paths)), Rights("consent", tuple(paths[:1]))
    faces = np.stack([BERT, ANNA, BERT])
    stated = check_rights(both, faces, NETWORK, PHOTO, NOW, home)
    assert stated.consent_sha256 == f"{anna.sha256}+{bert.sha256}"
    with pytest.raises(ConsentRefusedError, match="source 1 of 3 is not Anna"):
        check_rights(one, faces, NETWORK, PHOTO, NOW, home)
    with pytest.raises(ConsentRefusedError, match="is not Anna or Bert"):
        check_rights(both, like(ANNA, THRESHOLD - 0.1)[None], NETWORK, PHOTO, NOW, home)
    revoke(home, bert.sha256, NOW)
    with pytest.raises(ConsentRefusedError, match="revoked"):
        check_rights(both, ANNA[None], NETWORK, PHOTO, NOW, home)


REFUSED = {
    "unsigned": (record(), {}),
    "another face": (record(), {"sources": BERT[None]}),
    "one of several sources is another face": (record(), {"sources": np.stack([ANNA, BERT])}),
    "hardly alike": (record(), {"sources": like(ANNA, THRESHOLD - 0.02)[None]}),
    "no source face": (record(), {"sources": np.zeros((0, 128), np.float32)}),
    "another network": (record(), {"network": "d" * 64}),
    "expired": (record(), {"moment": datetime(2027, 2, 1, tzinfo=UTC)}),
    "dated in the future": (record(), {"moment": datetime(2026, 11, 19, tzinfo=UTC)}),
    "medium": (record(scope=Scope((), ("photo",), date(2027, 1, 31))), {"use": Use("film")}),
    "no project": (record(scope=Scope(("Faust",), ("photo",), date(2027, 1, 31))), {}),
    "another project": (
        record(scope=Scope(("Faust",), ("photo",), date(2027, 1, 31))),
        {"use": Use("photo", "Macbeth")},
    ),
}
REASONS = {
    "unsigned": "unsigned",
    "another face": "face",
    "one of several sources is another face": "face",
    "hardly alike": "face",
    "no source face": "face",
    "another network": "network",
    "expired": "expired",
    "dated in the future": "undated",
    "medium": "scope",
    "no project": "scope",
    "another project": "scope",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_consent_does_not_allow_is_refused(case: str, tmp_path: Path, home: Path, signer: Signer):
    consent, changes = REFUSED[case]
    rights = kept(tmp_path, consent if case == "unsigned" else consent.sign(signer))
    job = {"sources": ANNA[None], "network": NETWORK, "use": PHOTO, "moment": NOW, **changes}
    with pytest.raises(ConsentRefusedError) as refusal:
        check_rights(rights, home=home, **job)
    assert refusal.value.reason == REASONS[case]
    assert "anna.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_last_day_counts(tmp_path: Path, home: Path, signer: Signer):
    evening = datetime(2027, 1, 31, 23, 59, tzinfo=UTC)
    rights = kept(tmp_path, record().sign(signer))
    assert check_rights(rights, ANNA[None], NETWORK, PHOTO, evening, home).basis == "consent"


@pytest.mark.parametrize(
    "forge",
    [
        lambda consent: replace(consent, subject="Berta"),
        lambda consent: replace(consent, face=FaceTemplate.of(BERT[None])),
        lambda consent: replace(consent, scope=replace(consent.scope, until=date(2099, 1, 1))),
        lambda consent: replace(consent, key=Signer(Ed25519PrivateKey.generate()).public),
        lambda consent: replace(consent, signature="nonsense"),
    ],
)
def test_a_changed_consent_is_forged(forge, tmp_path: Path, home: Path, signer: Signer):
    rights = kept(tmp_path, forge(record().sign(signer)))
    with pytest.raises(ConsentRefusedError, match="forged") as refusal:
        check_rights(rights, np.stack([ANNA]), NETWORK, PHOTO, NOW, home)
    assert refusal.value.reason == "forged"


def test_a_revoked_consent_stays_revoked_even_if_it_is_signed_again(
    tmp_path: Path, home: Path, signer: Signer
):
    consent = record().sign(signer)
    revoke(home, consent.sha256, NOW)
    again = consent.sign(Signer.own(tmp_path / "other", "consent"))
    for signed_by in (consent, again):
        with pytest.raises(ConsentRefusedError) as refusal:
            check_rights(kept(tmp_path, signed_by), ANNA[None], NETWORK, PHOTO, NOW, home)
        assert refusal.value.reason == "revoked"


def test_a_damaged_list_of_revocations_lets_no_consent_through(tmp_path: Path, home: Path, signer: Signer):
    rights = kept(tmp_path, record().sign(signer))
    for content in (b"[]", b"{", b'{"a":1}', b"\xff"):
        (home / "revoked.json").write_bytes(content)
        with pytest.raises(InputError, match=r"revoked\.json"):
            check_rights(rights, ANNA[None], NETWORK, PHOTO, NOW, home)


def test_only_digests_are_revoked(home: Path):
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        revoke(home, "Anna", NOW)
    assert revoked(home) == {}


def test_records_survive_their_file(tmp_path: Path, signer: Signer):
    consent = record(scope=Scope(("Faust", "Ø"), ("film",), date(2027, 1, 31), "two\nlines")).sign(signer)
    path = tmp_path / "a.json"
    path.write_bytes(consent.to_bytes())
    assert read_consent(path) == consent
    spaced = json.dumps(json.loads(path.read_text("utf-8")), indent=2).encode()
    assert parse_consent(spaced, "spaced") == consent
    assert parse_consent(spaced, "spaced").whole


def test_two_records_of_the_same_facts_have_different_digests():
    assert record().sha256 != record().sha256


def test_the_template_keeps_who_it_is():
    faces = np.random.default_rng(3).normal(size=(50, 128)).astype(np.float32)
    kept = np.array([FaceTemplate.of(face[None]).likeness(face[None])[0] for face in faces])
    assert kept.min() > 0.9995


@pytest.mark.parametrize("codes", ["", "AAAA", "?", "é", "A" * 8000])
def test_templates_that_are_none_are_refused(codes: str):
    with pytest.raises(InputError):
        record(face=FaceTemplate(codes, 1))


@pytest.mark.parametrize("medium", [(), ("film", "radio")])
def test_scopes_that_make_no_sense_are_refused(medium):
    with pytest.raises(InputError, match="photo and film"):
        Scope((), medium, date(2027, 1, 1))


@pytest.mark.parametrize("text", ["", "   ", "x" * 201, "An\x1b[2Jna", "An\nna"])
def test_subjects_that_would_deceive_are_refused(text: str):
    with pytest.raises(InputError, match="subject"):
        record(subject=text)


def test_blocked_faces_are_refused_with_any_right(home: Path):
    block(home, "Anna", FaceTemplate.of(ANNA[None]), NETWORK, NOW)
    block(home, "Bert", FaceTemplate.of(BERT[None]), NETWORK, NOW)
    assert [entry.name for entry in blocked(home)] == ["Anna", "Bert"]
    for sources in (ANNA[None], np.stack([like(BERT, 0.1), like(ANNA, THRESHOLD + 0.02)])):
        with pytest.raises(BlockedError, match="do-not-swap list as 'Anna' since 2026-11-21") as refusal:
            check_rights(Rights("own"), sources, NETWORK, PHOTO, NOW, home)
        assert (refusal.value.exit_code, refusal.value.reason) == (5, "do-not-swap list")
    assert unblock(home, "Anna") == 1
    assert check_rights(Rights("own"), ANNA[None], NETWORK, PHOTO, NOW, home).basis == "own"
    with pytest.raises(UsageError, match="nobody is blocked"):
        unblock(home, "Anna")


def test_strangers_and_swappers_without_a_source_pass_the_list(home: Path):
    block(home, "Anna", FaceTemplate.of(ANNA[None]), NETWORK, NOW)
    require_not_blocked(home, like(ANNA, THRESHOLD - 0.02)[None], NETWORK)
    require_not_blocked(home, np.zeros((0, 128), np.float32), NETWORK)


def test_a_list_that_cannot_be_compared_lets_nobody_through(home: Path):
    block(home, "Anna", FaceTemplate.of(ANNA[None]), NETWORK, NOW)
    with pytest.raises(RefusedError, match="another identity network"):
        require_not_blocked(home, BERT[None], "e" * 64)
    good = (home / "blocked.json").read_bytes()
    for content in (good[:-5], b"{}", b"[1]", good.replace(b'"codes":"', b'"codes":"?'), b"[" * 5000):
        (home / "blocked.json").write_bytes(content)
        with pytest.raises(InputError, match=r"blocked\.json"):
            require_not_blocked(home, BERT[None], NETWORK)


def test_a_signature_is_of_its_purpose_only(signer: Signer):
    signature = signer.sign("consent", b"words")
    assert signed("consent", b"words", signer.public, signature)
    assert not signed("audit entry", b"words", signer.public, signature)
    assert not signed("consent", b"word", signer.public, signature)


def test_the_key_is_made_once(home: Path, signer: Signer):
    assert Signer.own(home, "consent").public == signer.public
    (home / "consent.key").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="no private key"):
        Signer.own(home, "consent")


@pytest.mark.parametrize("value", [1.5, {"é": 1}, {1: 2}, 2**60, b"x", "\ud800", [[[[[[[[[[[[1]]]]]]]]]]]]])
def test_what_has_no_one_form_is_not_signed(value: object):
    with pytest.raises(ValueError):  # noqa: PT011
        canonical(value)


SIGNED = record().sign(Signer(Ed25519PrivateKey.generate()))


ATOMS = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def parsed(content: bytes) -> Consent | None:
    """The record, or None if it is refused, which must be in one line."""
    with contextlib.suppress(InputError):
        return parse_consent(content, "a.json")
    with pytest.raises(InputError, match=r"\Aa\.json: [^\n]+\Z"):
        parse_consent(content, "a.json")
    return None


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_consents_are_refused_in_one_line_or_unchanged(data: st.DataObject):
    content = bytearray(SIGNED.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(place, min(place + 40, len(content))))
        content[place:end] = data.draw(st.binary(max_size=40))
    found = parsed(bytes(content))
    assert found in (None, SIGNED) or not found.whole


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | JSON.map(json.dumps).map(str.encode))
def test_anything_that_is_no_consent_is_an_input_error(content: bytes):
    assert parsed(content) is None


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from(sorted(json.loads(SIGNED.body))), value=JSON)
def test_odd_values_in_a_consent_never_pass_for_signed(key: str, value: object):
    content = json.loads(SIGNED.to_bytes())
    if content["body"][key] != value:
        content["body"][key] = value
        found = parsed(json.dumps(content).encode())
        assert found is None or not found.whole


def test_the_odd_photo_is_found():
    assert odd_one(ANNA[None]) is None
    assert odd_one(np.stack([ANNA, like(ANNA, 0.4)])) is None
    assert odd_one(np.stack([ANNA, BERT, like(ANNA, 0.8)])) == 1
