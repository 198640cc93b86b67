"""Records are made by strangers: whatever a signer writes into one, `omote verify` has a verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omote.trust import verify
from omote.trust.record_tree import Record, State, record_of
from tests.trust_files import make_media

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["blocks", "alg", "value", "actions", "action", "description"]), inner
        )
    ),
    max_leaves=8,
)


def report(**parts: Any) -> dict[str, Any]:
    """The library's report on one record that is whole."""
    manifest = {"signature_info": {"issuer": "x", "common_name": "y"}, "assertions": [], "ingredients": []}
    return {"active_manifest": "a", "manifests": {"a": manifest | parts}}


def reasons(record: Record) -> list[str]:
    reading = verify._Reading(record)
    return [
        *verify._signature(reading, False),
        *verify._history(record),
        *verify._watermark(record, None, None, None, True),
    ]


@settings(max_examples=150, deadline=None)
@given(
    label=st.sampled_from(["c2pa.soft-binding", "c2pa.actions.v2", "org.example"]),
    data=anything,
    generator=anything,
)
def test_assertions_of_any_shape(label: str, data: Any, generator: Any) -> None:
    record = record_of(report(assertions=[{"label": label, "data": data}], claim_generator_info=generator))
    assert record.mark is None or len(record.mark) == 2
    assert all(isinstance(line, str) for line in reasons(record))
    assert all(isinstance(action, Mapping) for action in record.actions)


def test_a_history_that_doubles_with_every_generation() -> None:
    def manifest(number: int) -> dict[str, Any]:
        below = {"title": "x", "relationship": "componentOf", "active_manifest": f"m{number + 1}"}
        return {"signature_info": {}, "assertions": [], "ingredients": [below, below]}

    manifests = {f"m{number}": manifest(number) for number in range(60)}
    record = record_of({"active_manifest": "m0", "manifests": manifests})
    assert sum(1 for _ in record.walk()) < 4000
    assert any(one.state is State.TAMPERED for one in record.broken())


def test_a_long_line_of_ancestors() -> None:
    manifests = {
        f"m{number}": {"ingredients": [{"title": "x", "active_manifest": f"m{number + 1}"}]}
        for number in range(5000)
    }
    record = record_of({"active_manifest": "m0", "manifests": manifests})
    assert max(depth for depth, _ in record.walk()) <= 100


def test_titles_cannot_rewrite_the_terminal(tmp_path: Path, monkeypatch: Any) -> None:
    picture = make_media(tmp_path / "a.jpg")
    record = Record(ingredients=(Record("\x1b[2Jintact\r\n\u202etitle", "parentOf"),))
    monkeypatch.setattr(verify, "read_record", lambda *_: record)
    found = verify.verify_file(picture, search=None, folder=tmp_path / "home")
    assert any("intact" in line for line in found.reasons)
    assert all(line.isprintable() for line in found.reasons)
