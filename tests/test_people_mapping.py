"""The right person: who gets whose face, in films and photos, and what is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from omote.engines.swapper import Source, SwappedCrop
from omote.errors import InputError, NoFaceError, UsageError
from omote.faces.align import Crop
from omote.faces.face import Face
from omote.media import open_image
from omote.pipelines import Job, JobFolder, SwapSettings, job_path, read_batch, read_mapping, swap_file
from omote.pipelines.casting import Casting, Part
from omote.pipelines.meant import Role
from omote.pipelines.people import faces_as_people
from tests.conftest import Command, pictures
from tests.people_films import CUT, FACES, FRAMES, HALF, two_people_film

ANNA, BERT, CARL = np.eye(4, dtype=np.float32)[:3]
A, B, C = Path("a.jpg"), Path("b.jpg"), Path("c.jpg")


def chosen(**settings: Any) -> SwapSettings:
    return SwapSettings(**{"rights": "own", "mask": "box", **settings})


class Paint:
    """An engine that fills every crop with the mean colour of its source."""

    template = "arcface_112_v2"
    colour = "none"

    def crop_size(self, face: Face) -> int:
        return 128

    def identity(self, sources: Sequence[Source]) -> np.ndarray:
        return np.mean([source.pixels.reshape(-1, 3).mean(0) for source in sources], 0) / 255

    def swap(self, crops: Sequence[Crop], identity: np.ndarray) -> list[SwappedCrop]:
        painted = np.broadcast_to(identity.astype(np.float32), (128, 128, 3)).copy()
        return [SwappedCrop(painted, np.ones((128, 128), np.float32)) for _ in crops]


@pytest.fixture(scope="module")
def room(source: Path, target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two people, and a red, a green and a blue photo of somebody."""
    folder = tmp_path_factory.mktemp("room")
    two_people_film(source, target, folder / "pair.mp4")
    photo = cv2.resize(open_image(source).pixels, (300, 300)).astype(np.float32)
    for number, name in enumerate(("red", "green", "blue")):
        tinted = photo * 0.7
        tinted[..., number] += 76
        cv2.imwrite(str(folder / f"{name}.png"), tinted[..., ::-1])
    cv2.imwrite(str(folder / "one.png"), cv2.imread(str(source)))
    cv2.imwrite(str(folder / "other.png"), cv2.flip(cv2.imread(str(target)), 1))
    return folder


def patch(frame: np.ndarray, person: int, left: int) -> np.ndarray:
    """The middle of somebody's face, (n, 3), in the half that begins at `left`."""
    x, y = FACES[person]
    return frame[y - 14 : y + 14, left + x - 14 : left + x + 14].reshape(-1, 3).astype(float)


def painted(film: Path) -> list[str]:
    """The colours of the two people's faces in some frames; `-` where it is no paint."""
    found = []
    numbers = (0, 5, CUT - 1, CUT, 20, FRAMES - 1)
    for number, frame in zip(numbers, pictures(film, *numbers), strict=True):
        colours = ""
        for person in range(2):
            middle = patch(frame, person, HALF * ((number >= CUT) ^ person))
            means = np.sort(middle.mean(0))
            paint = means[2] > 1.35 * means[1] and middle.std(0).max() < 15
            colours += "RGB"[int(middle.mean(0).argmax())] if paint else "-"
        found.append(colours)
    return found


def paint(room: Path, out: Path, sources: Sequence[str] = (), **settings: Any) -> list[str]:
    """Swap with paint, and say who was painted how."""
    people = {
        name: tuple(text.replace("@", f"{room}/") for text in settings.pop(name, ()))
        for name in ("map", "only", "exclude")
    }
    options = chosen(**people, **settings, grain=0, quality=95, detector_size=320)
    swap_file([room / name for name in sources], room / "pair.mp4", out, options, swapper=Paint())
    return painted(out)


@pytest.mark.parametrize(
    ("sources", "settings", "colours"),
    [
        ([], {"map": ["@red.png:0"]}, "R-"),
        ([], {"map": ["@red.png:1"]}, "-R"),
        ([], {"map": ["@red.png:0", "@blue.png:1"]}, "RB"),
        ([], {"map": ["@red.png:@other.png"]}, "-R"),
        ([], {"map": ["@green.png+@green.png:@one.png"]}, "G-"),
        (["green.png"], {"map": ["@red.png:1"]}, "GR"),
        (["green.png"], {"only": ["1"]}, "-G"),
        (["green.png"], {"exclude": ["@other.png"]}, "G-"),
        (["green.png"], {"map": ["@red.png:0"], "exclude": ["1"]}, "R-"),
    ],
)
def test_everybody_gets_the_right_face(
    sources: list[str], settings: dict[str, Any], colours: str, room: Path, tmp_path: Path
):
    """They change places at a cut; nobody ever gets what is meant for the other."""
    assert paint(room, tmp_path / "out.mp4", sources, **settings) == [colours] * 6


def test_numbers_are_those_of_the_whole_film(room: Path, tmp_path: Path):
    """After the cut person 1 stands on the left; in a film of its own he would be number 0 there."""
    out = tmp_path / "part.mp4"
    settings = chosen(map=(f"{room}/red.png:1",), start=CUT / 25, grain=0, quality=95)
    swap_file([], room / "pair.mp4", out, settings, swapper=Paint())
    frames = pictures(out, 0, FRAMES - CUT - 1)
    assert len(frames) == 2
    for frame in frames:
        assert patch(frame, 1, 0).mean(0).argmax() == 0
        assert patch(frame, 1, 0).std(0).max() < 15 < patch(frame, 0, HALF).std(0).max()


def test_segments_and_one_go_swap_the_same_faces(room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With cuts, tracks and people: bit-equal meshes, roles and pixels, however the film is worked on."""
    calls: list[tuple[bytes, bytes, tuple[Role, ...]]] = []

    def note(self: Job, pixels: np.ndarray, faces: Sequence[Face], roles: Sequence[Role] = ()) -> np.ndarray:
        meshes = b"".join(face.mesh.tobytes() + face.points.tobytes() for face in faces)
        calls.append((pixels.tobytes(), meshes, tuple(roles)))
        return pixels

    monkeypatch.setattr(Job, "swap", note)
    maps = {"map": (f"{room}/red.png:1", f"{room}/blue.png:0"), "detector_size": 320, "threads": 1}
    for span in ({}, {"start": 0.2}):
        done = []
        for segment in (0, 0.16):
            swap_file([], room / "pair.mp4", tmp_path / "out.mp4", chosen(**maps, **span, segment=segment))
            done.append(calls[:])
            calls.clear()
        assert len(done[0]) == FRAMES - (5 if span else 0)
        assert done[0] == done[1]
        assert {len(roles) for *_, roles in done[0]} == {2}


def test_a_job_with_people_can_be_gone_on_with(room: Path, tmp_path: Path):
    out, seen = tmp_path / "out.mp4", 0
    settings = chosen(map=(f"{room}/red.png:1",), segment=0.3, detector_size=320)

    def stop(progress: object) -> None:
        nonlocal seen
        seen += 1
        if seen > FRAMES + 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swap_file([], room / "pair.mp4", out, settings, stop)
    folder = JobFolder(job_path(out))
    assert f"--map {room}/red.png:1" in folder.command()
    photo = (room / "red.png").read_bytes()
    try:
        (room / "red.png").write_bytes((room / "blue.png").read_bytes())
        with pytest.raises(UsageError, match=r"red\.png has changed since it was begun"):
            swap_file([], room / "pair.mp4", out, settings, resume=True)
    finally:
        (room / "red.png").write_bytes(photo)
    with pytest.raises(UsageError, match="--map"):
        swap_file(
            [],
            room / "pair.mp4",
            out,
            chosen(map=(f"{room}/red.png:0",), segment=0.3, detector_size=320),
            resume=True,
        )
    report = swap_file([], room / "pair.mp4", out, settings, resume=True)
    assert (report.frames, report.swapped) == (FRAMES, FRAMES)
    assert report.kept > 0
    assert not folder.path.exists()


def test_photos_too(room: Path, source: Path, target: Path, tmp_path: Path, omote: Command):
    halves = [cv2.resize(cv2.imread(str(path)), (HALF, 320)) for path in (source, target)]
    photo = tmp_path / "pair.png"
    cv2.imwrite(str(photo), np.hstack(halves))
    done = omote(
        "swap", "--map", f"{room / 'blue.png'}:1", photo, "-o", tmp_path / "out.png", "--colour", "none"
    )
    assert done.code == 0, done.err
    assert done.out.startswith("1 face swapped")
    before, after = (cv2.imread(str(path)).astype(int) for path in (photo, tmp_path / "out.png"))
    assert np.abs(before - after)[:, : HALF - 20].mean() < 2.5  # no more than the watermark
    changed = np.abs(before - after)
    assert patch(changed, 1, HALF).mean() > 10 > 3 * patch(changed, 0, 0).mean()


def test_a_mapping_file_holds_the_whole_film(room: Path, tmp_path: Path, omote: Command):
    (room / "film.toml").write_text(
        '[[person]]\nperson = 1\nsource = ["red.png"]\n[others]\nsource = "green.png"\nkeep = ["one.png"]\n'
    )
    out = tmp_path / "out.mp4"
    done = omote("swap", "--mapping", room / "film.toml", room / "pair.mp4", "-o", out)
    assert done.code == 0, done.err
    assert done.out.startswith(f"{FRAMES} faces swapped in {FRAMES} frames")


def test_a_batch_may_map_people(room: Path):
    jobs = room / "jobs.toml"
    jobs.write_text(
        '[[job]]\nmap = ["red.png:1", "blue.png:one.png"]\ntarget = "pair.mp4"\noutput = "out.mp4"\n'
        '[[job]]\nsource = "green.png"\nexclude = "1"\ntarget = "pair.mp4"\noutput = "out2.mp4"\n'
    )
    first, second = (item.settings for item in read_batch(jobs))
    assert first.map == (f"{room}/red.png:1", f"{room}/blue.png:{room}/one.png")
    assert (second.map, second.exclude) == ((), ("1",))


def test_what_a_mapping_file_says(tmp_path: Path):
    path = tmp_path / "film.toml"
    path.write_text(
        '[[person]]\nperson = 2\nsource = ["a.jpg", "b.jpg"]\n'
        '[[person]]\nperson = "c.jpg"\nsource = "a.jpg"\n'
        '[others]\nsource = "d.jpg"\nonly = [3, "e.jpg"]\n'
    )
    said = read_mapping(path)
    assert said.map == (f"{tmp_path}/a.jpg+{tmp_path}/b.jpg:2", f"{tmp_path}/a.jpg:{tmp_path}/c.jpg")
    assert said.source == (tmp_path / "d.jpg",)
    assert said.only == ("3", f"{tmp_path}/e.jpg")
    assert said.exclude == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[person", "not valid TOML"),
        ("", "write one"),
        ("[[people]]\nperson = 1", r"no table \[people\]"),
        ("person = 3", "write one"),
        ("[[person]]\nperson = 1", "needs the setting 'source'"),
        ("[[person]]\nsource = 'a.jpg'", "needs the setting 'person'"),
        ("[[person]]\nperson = 1\nsource = []", "names no source"),
        ("[[person]]\nperson = 1.5\nsource = 'a.jpg'", "'person' is 1.5, expected str"),
        ("[[person]]\nperson = 1\nsource = 'a.jpg'\nface = 3", "no setting 'face'"),
        ("[others]\nkeep = true", "'keep' is True"),
    ],
)
def test_mapping_files_that_say_nothing_sensible(text: str, message: str, tmp_path: Path):
    path = tmp_path / "film.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_mapping(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_mapping_files_that_cannot_be_read(tmp_path: Path, room: Path, omote: Command):
    with pytest.raises(InputError, match=r"film\.toml: cannot be read"):
        read_mapping(tmp_path / "film.toml")
    done = omote("swap", "--mapping", tmp_path / "film.toml", room / "pair.mp4", "-o", tmp_path / "out.mp4")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    (tmp_path / "film.toml").write_bytes(b"\xff\xfe\x00")
    done = omote("swap", "--mapping", tmp_path / "film.toml", room / "pair.mp4", "-o", tmp_path / "out.mp4")
    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--map", "red.png:7"], 2, "--map 7: pair.mp4 shows persons 0 to 1; list them with: omote people"),
        (["--map", "red.png:stranger.png"], 4, "nobody in pair.mp4 looks like this photo (nearest: person"),
        (["--map", "red.png:grey.png"], 4, "grey.png: no such face"),
        (["--map", "red.png:missing.png"], 3, "missing.png: "),
        (["--map", "missing.png:0"], 3, "missing.png: "),
        (["--map", "red.png"], 2, "--map 'red.png': write SOURCE:PERSON"),
        (["--map", ":0"], 2, "write SOURCE:PERSON"),
        (["--map", "red.png:"], 2, "write SOURCE:PERSON"),
        (["--map", "red.png:0", "--map", "blue.png:0"], 2, "--map gives person 0 two faces"),
        (
            ["--map", "red.png:0", "--map", "blue.png:one.png"],
            2,
            "--map gives person 0 of pair.mp4 two faces",
        ),
        (["--map", "red.png:0", "--except", "0"], 2, "named by --map and by --except"),
        (["--map", "red.png:0", "--only", "1"], 2, "--only and --except say who gets the face of SOURCE"),
        (["--map", "red.png:0", "--face", "left"], 2, "--face left chooses by place"),
    ],
)
def test_bad_choices(
    options: list[str], code: int, message: str, room: Path, tmp_path: Path, omote: Command, monkeypatch
):
    monkeypatch.chdir(room)
    if not (room / "stranger.png").exists():
        _strangers(room)
    out = tmp_path / "out.mp4"
    for more in ([], ["--segment", "0.3"]) if "red.png:7" in options else ([],):
        done = omote("swap", *options, "pair.mp4", "-o", out, "--detector-size", "320", *more)
        assert (done.code, done.out, done.err.count("\n")) == (code, "", 1), done
        assert message in done.err
        assert list(tmp_path.glob("out*")) == []


def _strangers(room: Path) -> None:
    """A picture without a face, and a stranger: the portrait, made unlike itself, its nose painted over."""
    cv2.imwrite(str(room / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    photo = cv2.resize(cv2.imread(str(room / "one.png")), (300, 300))
    cv2.ellipse(photo, (156, 119), (20, 16), 0, 0, 360, (120, 140, 190), -1)
    wide = cv2.resize(photo, (300, 200))
    _, coded = cv2.imencode(".jpg", cv2.GaussianBlur(cv2.flip(wide, 1), (0, 0), 2.2), [1, 20])
    cv2.imwrite(str(room / "stranger.png"), cv2.imdecode(coded, 1))


@pytest.mark.parametrize(
    ("text", "sources", "person"),
    [
        ("a.jpg:0", ("a.jpg",), "0"),
        (r"C:\me\a.jpg:2", (r"C:\me\a.jpg",), "2"),
        (r"C:\me\a.jpg+D:\b.jpg:12", (r"C:\me\a.jpg", r"D:\b.jpg"), "12"),
        ("a.jpg + b.jpg:who.png", ("a.jpg", "b.jpg"), "who.png"),
    ],
)
def test_parts(text: str, sources: tuple[str, ...], person: str):
    assert Part.parse(text) == Part(tuple(map(Path, sources)), person)


def people(*looks: np.ndarray):
    faces = [Face(np.array([0, 0, 9, 9]), 0.9, np.zeros((5, 2)), embedding=one) for one in looks]
    return faces_as_people(faces)


def cast(casting: Casting, sources: Sequence[Path] = (), **more: Any) -> dict[int, int]:
    looks = {A: ANNA, B: BERT, C: CARL}
    given = casting.cast(people(ANNA, BERT, ANNA + BERT), sources, looks.__getitem__, "film", **more)
    return dict(given.given)


def test_who_gets_which_identity():
    maps = (Part((A,), "0"), Part((B,), "1"), Part((A,), "2"))
    assert Casting(maps).identities(()) == [(A,), (B,)]
    assert Casting(maps).identities([C]) == [(C,), (A,), (B,)]
    assert cast(Casting(maps)) == {0: 0, 1: 1, 2: 0}
    assert cast(Casting(maps[1:2]), [C]) == {0: 0, 1: 1, 2: 0}
    assert cast(Casting(maps[1:2], only=("2",)), [C]) == {1: 1, 2: 0}
    assert cast(Casting(exclude=("0",)), [C]) == {1: 0, 2: 0}
    assert cast(Casting((Part((C,), "b.jpg"),))) == {1: 0}
    with pytest.raises(NoFaceError):
        cast(Casting((Part((C,), "c.jpg"),)))


def test_numbers_of_the_whole_film_count_in_a_span():
    whole = people(CARL, BERT, 2 * ANNA + BERT)
    assert cast(Casting((Part((A,), "2"),)), whole=whole) == {0: 0, 2: 0}
    assert cast(Casting((Part((A,), "1"),)), whole=whole) == {1: 0}
    assert cast(Casting((Part((A,), "0"),)), whole=whole) == {}
    with pytest.raises(UsageError, match="persons 0 to 2"):
        cast(Casting((Part((A,), "3"),)), whole=whole)
