"""Whatever a file holds, its parser returns or refuses in one line; nothing else is raised."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.fuzz_cases import Seeds, damaged, film_seeds, picture_seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omote.errors import OmoteError
from omote.media import VideoReader, open_image, probe
from omote.media.sealed import SealedFile, SealedWriter
from omote.pipelines.batch import read_batch
from omote.pipelines.job_folder import JobFolder
from omote.pipelines.mapping_file import read_mapping
from omote.trust.consent import parse_consent
from omote.zoo.catalogue import Catalogue

quick = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
edits = st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=6), st.integers(0, 9)), max_size=4)


def edited(content: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    """The content with some bytes replaced, put in or taken out."""
    for place, new, length in changes:
        start = place % (len(content) + 1)
        content = content[:start] + new + content[start + length :]
    return content


def refused_or_read(read: Callable[[], Any]) -> None:
    refusal: OmoteError | None = None
    try:
        read()
    except OmoteError as error:
        refusal = error
    if refusal is not None:
        assert str(refusal).isprintable(), ascii(refusal)
        assert refusal.exit_code in (2, 3, 6)


def toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value) if "e" not in repr(value) else "1.5"
    return json.dumps(value) if value is not None else '"none"'


def document(tables: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {toml(value)}" for key, value in tables.items())


MAPPING = b"""
[[person]]
person = 1
source = ["a.jpg", "b.jpg"]
[others]
source = "c.jpg"
keep = ["d.jpg", 2]
"""
BATCH = b"""
[settings]
colour = "none"
quality = 80
[[job]]
source = "a.jpg"
target = ["b.jpg", "c.png"]
output = "out/{stem}-{number}{suffix}"
face = "largest"
mask = "box,face"
map = ["d.jpg:1"]
"""
CATALOGUE = b"""
[sources.place]
urls = ["https://example.org/{tag}/{file}"]
[contracts.one]
task = "restorer"
adapter = "restorer"
size = 512
[models.net]
contract = "one"
source = "place"
tag = "v1"
file = "net.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
bytes = 12
licence = "MIT"
"""

words = st.sampled_from(
    ["a.jpg", "1", "{stem}", "{number:>9}", "{stem.__class__}", "{0}", "{", "*.jpg", "\0", "**/x", "near 1,2"]
)
values = st.recursive(
    words | st.integers(-3, 2**70) | st.floats() | st.booleans() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)


def test_the_documents_that_are_damaged_are_right(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(MAPPING)
    (tmp_path / "b.toml").write_bytes(BATCH)
    assert len(read_mapping(tmp_path / "m.toml").map) == 1
    assert len(read_batch(tmp_path / "b.toml")) == 2
    assert list(Catalogue.parse(CATALOGUE.decode()).cards) == ["net"]


@quick
@given(st.binary(max_size=200) | edits.map(lambda changes: edited(MAPPING, changes)))
def test_mapping_files_of_any_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.toml").write_bytes(content)
    refused_or_read(lambda: read_mapping(tmp_path / "m.toml"))


@quick
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "person": st.lists(
                st.fixed_dictionaries({}, optional={"person": values, "source": values, "else": values}),
                max_size=3,
            )
            | values,
            "others": st.dictionaries(st.sampled_from(["source", "only", "keep", "x"]), values) | values,
            "more": values,
        },
    )
)
def test_mapping_files_of_any_values(tmp_path: Path, tables: dict[str, Any]) -> None:
    (tmp_path / "m.toml").write_text(document(tables), "utf-8", errors="replace")
    refused_or_read(lambda: read_mapping(tmp_path / "m.toml"))


@quick
@given(st.binary(max_size=200) | edits.map(lambda changes: edited(BATCH, changes)))
def test_batch_files_of_any_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.toml").write_bytes(content)
    refused_or_read(lambda: read_batch(tmp_path / "b.toml"))


OPTIONS = ["face", "mask", "map", "only", "quality", "start", "segment", "keep", "detector-angles", "grain"]


@quick
@given(
    st.lists(
        st.fixed_dictionaries(
            {"source": values, "target": values, "output": values},
            optional=dict.fromkeys(OPTIONS, values),
        ),
        min_size=1,
        max_size=2,
    ),
    st.dictionaries(st.sampled_from(OPTIONS), values, max_size=3) | values,
)
def test_batch_files_of_any_values(tmp_path: Path, jobs: list[Any], common: Any) -> None:
    text = document({"job": jobs, "settings": common})
    (tmp_path / "b.toml").write_text(text, "utf-8", errors="replace")
    refused_or_read(lambda: read_batch(tmp_path / "b.toml"))


@quick
@given(edits.map(lambda changes: edited(CATALOGUE, changes)))
def test_catalogues_of_any_bytes(content: bytes) -> None:
    refused_or_read(lambda: Catalogue.parse(content.decode("utf-8", "replace")))


FACTS = ["contract", "source", "tag", "file", "urls", "sha256", "bytes", "licence", "needs", "year", "terms"]


@quick
@given(
    st.dictionaries(st.sampled_from(FACTS), values | st.just("one"), max_size=5),
    st.dictionaries(st.sampled_from(["task", "adapter", "needs", "size"]), values | st.just("restorer")),
    st.dictionaries(st.just("urls"), values),
)
def test_catalogues_of_any_values(model: dict[str, Any], contract: dict[str, Any], place: Any) -> None:
    tables = {"models": {"net": model}, "contracts": {"one": contract}, "sources": {"a.jpg": place}}
    refused_or_read(lambda: Catalogue.parse(document(tables)))


@pytest.fixture(scope="module")
def consent_bytes() -> bytes:
    from datetime import UTC, date, datetime

    import numpy as np

    from omote.trust.consent import Scope, new_consent
    from omote.trust.template import FaceTemplate

    vectors = np.random.default_rng(0).normal(size=(2, 512)).astype(np.float32)
    face = FaceTemplate.of(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    scope = Scope(("work",), ("photo",), date(2030, 1, 1), "note")
    return new_consent("Somebody", scope, face, "00" * 32, datetime(2026, 1, 1, tzinfo=UTC)).to_bytes()


@quick
@given(changes=edits)
def test_consents_of_any_bytes(consent_bytes: bytes, changes: list[Any]) -> None:
    refused_or_read(lambda: parse_consent(edited(consent_bytes, changes), "consent"))


@quick
@given(
    path=st.sampled_from(
        ["body", "key", "signature", "body.face", "body.face.codes", "body.face.photos", "body.made",
         "body.scope", "body.scope.media", "body.scope.projects", "body.scope.until",
         "body.nonce", "body.subject"]
    ),
    value=plain,
)  # fmt: skip
def test_consents_of_any_values(consent_bytes: bytes, path: str, value: Any) -> None:
    table = json.loads(consent_bytes)
    *names, last = path.split(".")
    inner = table
    for name in names:
        inner = inner[name]
    inner[last] = value
    refused_or_read(lambda: parse_consent(json.dumps(table).encode("utf-8", "replace"), "consent"))


JOB = {
    "command": "omote swap a.jpg b.mp4 -o c.mp4 --resume",
    "description": {
        "software": {"omote": "0.1.0"},
        "settings": {"face": "largest"},
        "inputs": [["a.jpg", "00"], ["b.mp4", "11"]],
        "networks": {"omote-detect": "22"},
    },
    "segments": [[0, 10, 10], [10, None, 3]],
    "span": ["1/2", None],
    "shift": 0,
    "mark": 7,
}


def read_job(folder: JobFolder, info: Any) -> None:
    for read in (folder.description, lambda: folder.film(info), folder.mark, folder.command, folder.counts):
        refused_or_read(read)


@quick
@given(content=edits.map(lambda changes: edited(json.dumps(JOB).encode(), changes)) | st.binary(max_size=99))
def test_jobs_of_any_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "job.json").write_bytes(content)
    read_job(JobFolder(tmp_path), None)


@quick
@given(
    name=st.sampled_from(sorted(JOB)), inner=st.sampled_from([None, *sorted(JOB["description"])]), value=plain
)
def test_jobs_of_any_values(tmp_path: Path, name: str, inner: str | None, value: Any) -> None:
    job = JOB | {name: value} if inner is None else JOB | {"description": JOB["description"] | {inner: value}}
    (tmp_path / "job.json").write_text(json.dumps(job), "utf-8", errors="replace")
    read_job(JobFolder(tmp_path), None)


def read_sealed(path: Path) -> None:
    file = SealedFile(path)
    file.head.get("facts")
    for record in file.records():
        assert len(record) <= path.stat().st_size


@quick
@given(changes=edits)
def test_sealed_files_of_any_bytes(tmp_path: Path, changes: list[Any]) -> None:
    path = tmp_path / "piece"
    with SealedWriter(path) as writer:
        writer.add(b"first")
        writer.add(bytes(50))
        writer.seal({"facts": {"frames": 2}})
    content = path.read_bytes()
    path.write_bytes(edited(content, changes))
    refused_or_read(lambda: read_sealed(path))
    if path.read_bytes() != content:
        with pytest.raises(OmoteError):
            SealedFile(path).require_whole()


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    return picture_seeds() | film_seeds()


def read_media(path: Path) -> None:
    info = probe(path)
    assert info.width > 0
    assert info.height > 0
    if info.kind == "picture":
        assert open_image(path).pixels.ndim == 3
    else:
        with VideoReader(path) as film:
            next(film, None)


@settings(quick, max_examples=300)
@given(number=st.integers(0, 2**40))
def test_damaged_media(tmp_path: Path, seeds: Seeds, number: int) -> None:
    name, content = damaged(seeds, number)
    (tmp_path / name).write_bytes(content)
    refused_or_read(lambda: read_media(tmp_path / name))


@settings(quick, max_examples=100)
@given(
    start=st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x40\0\0\0WEBP", b"II*\0", b"MM\0*", b"BM",
         b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"P6 ", b"\0\0\0\x18ftypavif", b"\x1aE\xdf\xa3",
         b"\0\0\0\x18ftypisom", b"OggS", b"FLV\x01", b"RIFF\x40\0\0\0AVI ", b""]
    ),
    rest=st.binary(max_size=300),
)  # fmt: skip
def test_nonsense_behind_a_right_beginning(tmp_path: Path, start: bytes, rest: bytes) -> None:
    (tmp_path / "file").write_bytes(start + rest)
    refused_or_read(lambda: read_media(tmp_path / "file"))
