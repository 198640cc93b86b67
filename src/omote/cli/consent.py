"""`omote consent`: records by which people allow that their faces are used, and faces that nobody may use."""

from collections.abc import Sequence
from datetime import timedelta
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omote.cli.console import help_if_alone

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from omote.trust.consent import Consent

app = typer.Typer(
    help="Record, sign, check and revoke consents to use a face; block faces that nobody may use.",
    epilog="docs/trust.md says what a record holds, what it reveals, and how often it errs.",
    invoke_without_command=True,
    callback=help_if_alone,
    rich_markup_mode=None,
)

_Photos = Annotated[
    list[Path],
    typer.Argument(
        metavar="PHOTO...", help="Photos of one person; three or more err far less.", show_default=False
    ),
]
_File = Annotated[Path, typer.Argument(metavar="FILE", help="A consent record.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_Key = Annotated[
    Path | None, typer.Option(metavar="PEM", help="Private Ed25519 key [default: this computer's]")
]


@app.command("new")
def new(
    photos: _Photos,
    subject: Annotated[
        str, typer.Option(help="Who agrees: a name, or a pseudonym that you can resolve.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; it must not exist.", show_default=False)
    ],
    until: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day [default: in a year]")
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="Only for this work; repeatable [default: any]")
    ] = None,
    media: Annotated[str, typer.Option(help="photo, film, or both by a comma.")] = "photo,film",
    note: Annotated[str, typer.Option(help="Further terms in words.")] = "",
) -> None:
    """Write down to what a person agrees, bound to the face of PHOTO... It counts when it is signed."""
    from omote.errors import InputError
    from omote.trust.consent import Scope, media_of, new_consent
    from omote.trust.home import write_private
    from omote.trust.moments import day_of, now
    from omote.trust.template import FaceTemplate

    moment = now()
    last = day_of(until, "--until") if until else moment.date() + timedelta(days=365)
    scope = Scope(tuple(project or ()), media_of(media), last, note)
    embeddings, network = _one_person(photos)
    consent = new_consent(subject, scope, FaceTemplate.of(embeddings), network, moment)
    if not output.parent.is_dir():
        raise InputError(f"{output}: cannot be written: there is no folder {output.parent}")
    try:
        write_private(output, consent.to_bytes(), replace=False)
    except FileExistsError:
        raise InputError(f"{output}: exists already; name another file") from None
    _print(consent)
    print(f"not signed yet: omote consent sign {output}")


@app.command("sign")
def sign(file: _File, key: _Key = None) -> None:
    """Sign a record: whoever holds the key vouches for it. A signature that is there is replaced."""
    from omote.trust.consent import read_consent
    from omote.trust.home import trust_folder, write_private
    from omote.trust.signing import Signer

    consent = read_consent(file)
    signer = Signer.own(trust_folder(), "consent") if key is None else Signer.from_file(key)
    whole = consent.sign(signer)
    write_private(file, whole.to_bytes())
    print(f"{file}: signed by {whole.signer}")


@app.command("show")
def show(file: _File, json: _Json = False) -> None:
    """Tell what a record says; whether it holds, `verify` tells."""
    from omote.trust.consent import read_consent

    consent = read_consent(file)
    if json:
        print(dumps(_facts(consent), indent=1, ensure_ascii=False))
    else:
        _print(consent)


@app.command("verify")
def verify(
    file: _File,
    photo: Annotated[
        list[Path] | None, typer.Option(help="Hold it against the face of this photo; repeatable.")
    ] = None,
    medium: Annotated[str | None, typer.Option(help="Whether it allows a photo or film.")] = None,
    project: Annotated[str | None, typer.Option(help="Whether it allows this work.")] = None,
    json: _Json = False,
) -> None:
    """Check signature, dates and revocation of a record, and on request scope and face (exit 5 if bad)."""
    from omote.trust.consent import media_of, read_consent
    from omote.trust.consent_rules import (
        ConsentRefusedError,
        Use,
        require_faces,
        require_scope,
        require_valid,
    )
    from omote.trust.home import trust_folder
    from omote.trust.moments import now
    from omote.trust.revocations import revoked

    consent, label = read_consent(file), str(file)
    wanted = media_of(medium) if medium else consent.scope.media
    reason = None
    try:
        require_valid(consent, label, now(), revoked(trust_folder()))
        if medium or project:
            for each in wanted:
                require_scope(consent, label, Use(each, project))
        if photo:
            require_faces({label: consent}, *_embedded(photo))
    except ConsentRefusedError as refusal:
        reason = refusal.reason
        raise
    finally:
        if json:
            facts = {"valid": reason is None, "reason": reason, **_facts(consent)}
            print(dumps(facts, indent=1, ensure_ascii=False))
    if not json:
        face = " and for this face" if photo else ""
        print(f"{file}: valid until {consent.scope.until}{face}, signed by {consent.signer}")


@app.command("revoke")
def revoke_record(
    record: Annotated[
        str,
        typer.Argument(metavar="FILE|DIGEST", help="A consent record, or its SHA-256.", show_default=False),
    ],
) -> None:
    """Make a record count no more on this computer, for good; its digest revokes it on others."""
    from omote.trust.consent import read_consent
    from omote.trust.home import trust_folder
    from omote.trust.moments import now
    from omote.trust.revocations import revoke

    path = Path(record)
    is_digest = len(record) == 64 and not path.exists()
    digest = record.lower() if is_digest else read_consent(path).sha256
    revoke(trust_folder(), digest, now())
    print(f"revoked here; on other computers: omote consent revoke {digest}")


@app.command("block")
def block_face(
    photos: _Photos,
    name: Annotated[str, typer.Option(help="By which the face is listed.", show_default=False)],
) -> None:
    """Never use the face of PHOTO... as a source on this computer, whatever rights are stated."""
    from omote.trust.blocklist import block
    from omote.trust.home import trust_folder
    from omote.trust.moments import now
    from omote.trust.template import FaceTemplate

    embeddings, network = _one_person(photos)
    block(trust_folder(), name, FaceTemplate.of(embeddings), network, now())
    print(f"blocked: {name}")


@app.command("blocked")
def list_blocked(json: _Json = False) -> None:
    """List the blocked faces."""
    from omote.trust.blocklist import blocked
    from omote.trust.home import trust_folder

    entries = blocked(trust_folder())
    if json:
        rows = [{"name": each.name, "since": each.since, "photos": each.face.photos} for each in entries]
        print(dumps(rows, indent=1, ensure_ascii=False))
        return
    for entry in entries:
        print(f"{entry.since[:10]}  {entry.name}")
    if not entries:
        print("nobody is blocked")


@app.command("unblock")
def unblock_face(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of the list.", show_default=False)],
) -> None:
    """Take a name off the list of blocked faces."""
    from omote.trust.blocklist import unblock
    from omote.trust.home import trust_folder

    count = unblock(trust_folder(), name)
    print(f"no longer blocked: {name} ({count} {'entry' if count == 1 else 'entries'})")


def _one_person(photos: Sequence[Path]) -> "tuple[npt.NDArray[np.float32], str]":
    """As `_embedded`; all photos must show one person."""
    from omote.errors import InputError
    from omote.trust.template import odd_one

    embeddings, network = _embedded(photos)
    odd = odd_one(embeddings)
    if odd is not None:
        raise InputError(f"{photos[odd]}: shows another face than the other photos; leave it out")
    return embeddings, network


def _embedded(photos: Sequence[Path]) -> "tuple[npt.NDArray[np.float32], str]":
    """The embeddings (N, D) of the only face of each photo, and the digest of their network."""
    import numpy as np

    from omote.errors import InputError, NoFaceError
    from omote.faces.select import Selection
    from omote.media import open_image
    from omote.pipelines import FindSettings, make_finder, open_networks
    from omote.trust.template import Recognition

    settings = FindSettings()
    networks = open_networks(settings, workers=1)
    finder, recognition = make_finder(settings, networks), Recognition.open(networks)
    rows = []
    for photo in photos:
        pixels = open_image(photo, max_pixels=settings.max_pixels).pixels
        faces = finder.find_rivals(pixels, Selection("largest"))
        if not faces:
            raise NoFaceError(f"{photo}: no face found; use a photo that shows the face upright and sharp")
        if len(faces) > 1:
            raise InputError(f"{photo}: shows {len(faces)} faces of like size; cut out the one that is meant")
        rows.append(recognition.embed(pixels, faces)[0])
    return np.array(rows), recognition.sha256


def _facts(consent: "Consent") -> dict[str, Any]:
    scope = consent.scope
    return {
        "subject": consent.subject,
        "projects": list(scope.projects),
        "media": list(scope.media),
        "until": scope.until.isoformat(),
        "note": scope.note,
        "made": consent.made.isoformat(),
        "photos": consent.face.photos,
        "sha256": consent.sha256,
        "signer": consent.signer,
    }


def _print(consent: "Consent") -> None:
    scope = consent.scope
    print(f"subject:   {consent.subject}")
    print(f"projects:  {', '.join(scope.projects) or 'any'}")
    print(f"media:     {' and '.join(scope.media)}")
    print(f"until:     {scope.until}")
    if scope.note:
        print(f"note:      {' '.join(scope.note.split())}")
    print(f"face:      of {consent.face.photos} photo{'s' if consent.face.photos > 1 else ''}")
    print(f"sha256:    {consent.sha256}")
    print(f"signer:    {consent.signer or 'nobody'}")
