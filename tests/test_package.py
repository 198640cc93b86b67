"""The package as a whole: what it imports, that it is offline, and which way its imports point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"cv2", "onnxruntime", "av", "torch", "numpy", "PIL", "typer", "rich"}


def python(code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a few lines in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def loaded(code: str) -> set[str]:
    """Names of the top-level modules that are loaded after the code ran."""
    done = python(f"import sys\n{code}\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_omote_imports_nothing_heavy():
    assert not loaded("import omote; omote.swap; omote.__version__") & HEAVY


def test_help_imports_no_networks_and_no_codecs():
    heavy = loaded("from omote.cli.main import run\nassert run(['swap', '--help']) == 0") & HEAVY
    assert heavy <= {"typer", "rich"}


def test_whatever_is_listed_can_be_had():
    import omote

    assert all(hasattr(omote, name) for name in omote.__all__)


# A swap of a photo and of a film with every door shut: any use of a socket or look-up of a host, and any
# import of the training's packages, ends the process with exit code 99.
_SHUT = """
import os, sys

def watch(event, arguments):
    training = event == "import" and arguments[0].split(".")[0] in ("torch", "onnx", "onnxscript", "scipy")
    if training or event.startswith(("socket.", "urllib.", "http.")):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(99)

sys.addaudithook(watch)
import omote
source, photo, film, folder = sys.argv[1:]
assert omote.find_faces(photo)
assert omote.swap(source, photo, folder + "/photo.png", rights="own").swapped == 1
assert omote.swap(source, film, folder + "/film.mp4", preset="ultrafast", end=0.2, rights="own").swapped == 5
if os.path.isdir("/proc/self/fd"):
    for number in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        assert not place.startswith("socket:"), place
assert "torch" not in sys.modules
"""


def test_swapping_opens_no_socket_and_leaves_no_traces(
    source: Path, target: Path, film: Path, tmp_path: Path
):
    names = ("out", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR")
    out, *homes = folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir()
    arguments = [str(path) for path in (source, target, film, out)]
    done = python(_SHUT, *arguments, **{folder.name: str(folder) for folder in homes})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert {path.name for path in out.iterdir()} == {"photo.png", "film.mp4"}
    for folder in homes:
        assert not list(folder.rglob("*")), "nobody asked for files there"


def test_the_shut_doors_are_shut(tmp_path: Path):
    """The test above can fail."""
    opened = python(_SHUT.replace("import omote", "import socket; socket.socket(); import omote"))
    trained = python(_SHUT.replace("import omote", "import scipy; import omote"))
    assert (opened.returncode, trained.returncode) == (99, 99)


def test_every_network_ships_with_its_card():
    from importlib import resources

    native = resources.files("omote.zoo.native")
    networks = {file.name.removesuffix(".onnx") for file in native.iterdir() if file.name.endswith(".onnx")}
    assert {"detect", "mesh"} <= networks
    for name in networks:
        card = (native / f"{name}.md").read_text("utf-8").lower()
        for word in ("data", "seed", "limits"):
            assert word in card, f"{name}.md says nothing of {word}"


def test_imports_point_downwards():
    cli = pytest.importorskip("importlinter.cli", reason="needs import-linter, of the dev extra")
    root = Path(__file__).resolve().parents[1]
    config = root / "pyproject.toml"
    assert cli.lint_imports(config_filename=str(config), no_cache=True) == 0
