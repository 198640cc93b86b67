"""`omote keys`: what this installation signs with."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli.console import help_if_alone

if TYPE_CHECKING:
    from omote.trust.keys import SigningKey

app = typer.Typer(
    help="Show, import and renew the keys that outputs are signed with.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def group(context: typer.Context) -> None:
    """Show, import and renew the keys that outputs are signed with."""
    help_if_alone(context)


@app.command("show")
def show(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    pem: Annotated[
        bool, typer.Option("--pem", help="Print the roots, for those who are to trust this installation.")
    ] = False,
) -> None:
    """Tell with which key outputs are signed, since when, and until when."""
    from omote.trust import keys

    found = keys.all_keys()
    authority = keys.timestamp_authority()
    if pem:
        print(keys.anchors().decode(), end="")
    elif json:
        facts = [_facts(key, key is found[-1]) for key in found]
        print(dumps({"keys": facts, "timestamp_authority": authority}, indent=1))
    else:
        if not found:
            print("no key yet: one is made when something is signed")
        for key in found:
            print(_line(key, key is found[-1]))
        print(f"time-stamp authority: {authority or 'none (no connection is opened)'}")


@app.command("import")
def import_(
    chain: Annotated[
        Path,
        typer.Argument(
            metavar="CHAIN", help="PEM: the certificate, then its issuer's, and so on.", show_default=False
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Argument(metavar="[KEY]", help="PEM: the private key [default: in CHAIN]", show_default=False),
    ] = None,
) -> None:
    """Sign with a key and certificate of one's own from now on."""
    from omote.trust import keys

    print(_line(keys.import_key(chain, key or chain), True))


@app.command("renew")
def renew() -> None:
    """Make a new key and sign with it from now on; what was signed before stays known."""
    from omote.trust import keys

    print(_line(keys.renew(), True))


@app.command("timestamp")
def timestamp(
    authority: Annotated[
        str,
        typer.Argument(
            metavar="URL|off", help="Address of a time-stamp authority (RFC 3161).", show_default=False
        ),
    ],
) -> None:
    """Have a time-stamp authority vouch for the time of every signature, or none.

    This is the only thing in Omote's signing that opens a connection: a digest goes to that address.
    """
    from omote.trust import keys

    keys.set_timestamp_authority(None if authority == "off" else authority)
    print(f"time-stamp authority: {keys.timestamp_authority() or 'none'}")


def _facts(key: "SigningKey", current: bool) -> dict[str, Any]:
    leaf, root = key.chain[0], key.chain[-1]
    return {
        "file": str(key.path),
        "current": current,
        "made_here": key.made_here,
        "subject": leaf.subject.rfc4514_string(),
        "issuer": leaf.issuer.rfc4514_string(),
        "serial": key.serial,
        "algorithm": key.algorithm,
        "from": leaf.not_valid_before_utc.isoformat(),
        "until": key.expires.isoformat(),
        "root_until": root.not_valid_after_utc.isoformat(),
    }


def _line(key: "SigningKey", current: bool) -> str:
    made = "made here, not on the public trust list" if key.made_here else "imported"
    use = "signs now" if current else "signed before"
    return (
        f"{key.path.stem}: {use}: {key.chain[0].subject.rfc4514_string()}, {key.algorithm}, {made}, "
        f"until {key.expires:%Y-%m-%d}"
    )
