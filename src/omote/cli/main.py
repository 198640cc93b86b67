"""The entry point: assembles the commands, and turns errors into one line and an exit code."""

import _thread
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Annotated

import typer

from omote._version import __version__
from omote.cli import (
    audit,
    batch,
    consent,
    dataset,
    demo,
    doctor,
    evaluate,
    export,
    faces,
    jobs,
    keys,
    live,
    models,
    people,
    swap,
    train,
    verify,
)
from omote.cli.config import load_config
from omote.cli.confined import OFF, limits_of
from omote.cli.console import help_if_alone
from omote.confinement import go_on_confined
from omote.errors import InputError, OmoteError

_INTERRUPTED = 130
"""What typer returns after Ctrl-C."""

app = typer.Typer(
    name="omote",
    help="Find and swap faces in photos and films, offline.",
    epilog='Options may also stand in omote.toml ([swap] colour = "reinhard") or the environment '
    "(OMOTE_SWAP_COLOUR=reinhard).",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "OMOTE", "help_option_names": ["-h", "--help"]},
)
app.command("swap")(swap.swap)
app.command("live")(live.live)
app.command("batch")(batch.batch)
app.command("jobs")(jobs.jobs)
app.command("faces")(faces.faces)
app.command("people")(people.people)
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("export")(export.export)
app.add_typer(dataset.app, name="dataset")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(consent.app, name="consent")
app.add_typer(audit.app, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"omote {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    no_confine: Annotated[
        bool, typer.Option(OFF, help="Read media without limits of memory, time, files and network.")
    ] = False,
) -> None:
    """Find and swap faces in photos and films, offline."""
    context.default_map = load_config(context)
    help_if_alone(context)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    debug = "--debug" in arguments or bool(os.environ.get("OMOTE_DEBUG"))
    try:
        # These may stand anywhere; they belong to every command.
        words = [word for word in arguments if word not in ("--debug", OFF)]
        code = app(words, prog_name="omote", standalone_mode=False) or 0
        return _fail("interrupted; nothing was written", code) if code == _INTERRUPTED else code
    except OmoteError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(error.format_message(), error.exit_code)
    except MemoryError:
        if debug:
            raise
        return _fail("not enough memory for this input; nothing was written", InputError.exit_code)
    except Exception as error:  # whatever is left is a defect of ours, but the user gets one line
        if debug:
            raise
        return _fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1)


def _fail(message: str, code: int) -> int:
    print(f"omote: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code


def _interrupt(number: int, frame: object) -> None:
    """Ctrl-C counts once: a second one must not break into the cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C that falls into a finaliser, where no error can be raised, must not be lost."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        signal.signal(signal.SIGINT, _interrupt)
        if sys.platform == "win32":
            threading.Timer(0.01, _thread.interrupt_main).start()
        else:  # a signal wakes the main thread, wherever it waits
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def main() -> None:
    """Console script: what reads foreign files goes on in a child with limits; see `omote.confinement`."""
    limits = limits_of(sys.argv[1:])
    if limits is not None:
        try:
            code = go_on_confined(limits)
        except InputError as error:
            code = _fail(str(error), error.exit_code)
        if code is not None:
            os._exit(code)  # nothing is left to be done here: the child has cleaned up
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = _interrupt_again
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
