"""Bring a network to this machine: from its mirrors in turn, verified, and put in its place whole."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from omote.errors import ModelError, RefusedError, UsageError
from omote.zoo.admission import admit
from omote.zoo.card import Card
from omote.zoo.catalogue import Catalogue
from omote.zoo.exclusive import exclusive
from omote.zoo.folder import make_folder
from omote.zoo.lockfile import Pin, today
from omote.zoo.part import discard
from omote.zoo.release import Forges, stated_digest
from omote.zoo.store import Store, cure
from omote.zoo.transfer import Report, Transfer, TransferError

Tell = Callable[[str], None]
"""Takes what the user should know, one line at a time."""


def pull(
    card: Card,
    store: Store,
    catalogue: Catalogue,
    transfer: Transfer | None,
    report: Report | None = None,
    tell: Tell | None = None,
    forges: Forges | None = None,
) -> Path:
    """Bring the file of one network into the store, unless it is there. What it needs is not pulled.

    Args:
        card: the network.
        store: where it goes.
        catalogue: other networks may share the file.
        transfer: fetches; None if nothing may be fetched: no socket is opened then.
        report: told how far it is.
        tell: told what happens besides.
        forges: who is asked for the digests of releases.

    Returns:
        Where the file lies.

    Raises:
        UsageError: it ships with Omote.
        RefusedError: its licence needs to be accepted first, see `Store.accept`.
        ModelError: it cannot be had; every address is named with its reason.
        InputError: the store cannot be written to, or its disk is full.
    """
    tell = tell or _silent
    if card.native is not None:
        raise UsageError(f"{card.name} ships with Omote and needs no pull")
    if store.holds(card):
        return store.path(card)
    if not store.accepted(card):
        raise RefusedError(
            f"{card.name}: licence {card.licence}: {card.consequence}; --accept-licence says that you agree"
        )
    if not card.origins:
        raise ModelError(f"{card.name} is not on this machine: {cure(card)}")
    make_folder(store.folder)
    with exclusive(
        store.folder / f".{card.name}.lock", lambda: tell(f"{card.name}: another process pulls it; waiting")
    ):
        if not store.holds(card) and not store.adopt(card, catalogue):
            if transfer is None:
                raise ModelError(
                    f"{card.name} is not on this machine, and offline nothing is fetched: pull it without "
                    "--offline, or omote models import FILE"
                )
            if store.path(card).exists():
                tell(f"{card.name}: the file here is damaged or nothing vouches for it; it is fetched again")
            _bring(card, store, transfer, report, tell, forges or Forges())
    return store.path(card)


def _bring(
    card: Card, store: Store, transfer: Transfer, report: Report | None, tell: Tell, forges: Forges
) -> None:
    expected = store.expected(card)
    stated = None if expected else stated_digest(card.origins, transfer, forges)
    reasons: list[str] = []
    for url in card.origins:
        host = urlsplit(url).hostname
        try:
            found = _fetch(card, store, transfer, url, expected or stated, report)
        except TransferError as error:
            reasons.append(f"{host}: {error}")
            continue
        for reason in reasons:
            tell(f"{card.name}: {reason}")
        if expected is None and stated is None:
            tell(f"{card.name}: no digest of it is published; from now on it must be sha256 {found}")
        pin = Pin(found, "release" if stated else "first pull", url, today())
        store.keep(card, store.part(card), found, pin)
        discard(store.part(card))
        return
    hint = f"; if its makers replaced it: omote models remove {card.name} --forget, then pull again"
    pinned = card.sha256 is None and expected is not None and any("sha256" in reason for reason in reasons)
    raise ModelError(f"{card.name} cannot be had: {'; '.join(reasons)}{hint if pinned else ''}")


def _fetch(
    card: Card, store: Store, transfer: Transfer, url: str, expected: str | None, report: Report | None
) -> str:
    """Fetch a file into the store's part, and return its digest.

    Raises:
        TransferError: the address does not give the file, or not the right one; that is kept aside.
    """
    part = store.part(card)
    joined = transfer.fetch(url, part, card.bytes, report, proven=expected is not None)
    data = part.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if joined and expected not in (None, found):
        # The parts may be of two versions of the file.
        discard(part)
        transfer.fetch(url, part, card.bytes, report)
        data = part.read_bytes()
        found = hashlib.sha256(data).hexdigest()
    if expected not in (None, found):
        raise TransferError(f"sha256 is {found}, expected {expected} (kept as {_set_aside(card, store)})")
    try:
        admit("the file", card.suffix, data)
    except ModelError as error:
        raise TransferError(f"{error} (kept as {_set_aside(card, store)})") from error
    return found


def _set_aside(card: Card, store: Store) -> Path:
    bad = store.bad(card)
    store.part(card).replace(bad)
    discard(store.part(card))
    return bad


def _silent(line: str) -> None:
    pass
