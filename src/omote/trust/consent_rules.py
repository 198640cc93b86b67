"""Whether a consent allows a job: signed, not revoked, not expired, within its scope, for this face."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from omote.errors import InputError, RefusedError
from omote.trust.consent import Consent, Medium
from omote.trust.moments import written
from omote.trust.template import THRESHOLD

_SKEW = timedelta(days=1)
"""How far clocks of two computers may differ."""

Reason = Literal["unsigned", "forged", "revoked", "expired", "undated", "scope", "network", "face"]


class ConsentRefusedError(RefusedError):
    """A consent does not allow the job (exit 5).

    Attributes:
        reason: in one word.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Use:
    """What a job wants to use a consent for."""

    medium: Medium
    project: str | None = None


def require_valid(consent: Consent, label: str, moment: datetime, revoked: Container[str]) -> None:
    """Make sure that a record is signed, unchanged, not revoked and not expired.

    Args:
        consent: the record.
        label: what to call it in messages.
        moment: now.
        revoked: digests of revoked records.

    Raises:
        ConsentRefusedError: it is not.
    """
    if consent.key is None or consent.signature is None:
        raise ConsentRefusedError("unsigned", f"{label}: is not signed; sign it: omote consent sign {label}")
    if not consent.whole:
        raise ConsentRefusedError(
            "forged",
            f"{label}: forged: the signature does not fit what the consent says; ask for the original",
        )
    if consent.sha256 in revoked:
        raise ConsentRefusedError("revoked", f"{label}: was revoked; {consent.subject} has to agree anew")
    if moment.date() > consent.scope.until:
        raise ConsentRefusedError(
            "expired", f"{label}: expired on {consent.scope.until}; {consent.subject} has to agree anew"
        )
    if moment + _SKEW < consent.made:
        raise ConsentRefusedError(
            "undated", f"{label}: dated in the future ({written(consent.made)}); set this computer's clock"
        )


def require_scope(consent: Consent, label: str, use: Use) -> None:
    """Make sure that a record is for such a work.

    Raises:
        ConsentRefusedError: it is not.
    """
    scope = consent.scope
    if use.medium not in scope.media:
        raise ConsentRefusedError(
            "scope", f"{label}: allows {' and '.join(scope.media)}s only, this is a {use.medium}"
        )
    if scope.projects and use.project not in scope.projects:
        told = "no project is named" if use.project is None else f"this is '{use.project}'"
        raise ConsentRefusedError(
            "scope", f"{label}: allows {', '.join(scope.projects)} only, {told}: --project NAME"
        )


def require_faces(consents: Mapping[str, Consent], sources: npt.ArrayLike, network: str) -> None:
    """Make sure that records are of the faces that are used.

    Args:
        consents: at least one; the keys are what to call them in messages.
        sources: (N, D) embeddings, each of one photo; each must be the face of one of the records.
        network: SHA-256 of the network that they are of.

    Raises:
        ConsentRefusedError: one is not, or nobody can tell.
    """
    labels = " + ".join(consents)
    rows = []
    for label, consent in consents.items():
        if network != consent.network:
            raise ConsentRefusedError(
                "network",
                f"{label}: made with another identity network; make a new one with this version of Omote",
            )
        try:
            rows.append(consent.face.likeness(sources))
        except InputError as error:
            raise ConsentRefusedError("network", f"{label}: {error}") from None
    likeness = np.max(rows, axis=0)
    if not likeness.size:
        raise ConsentRefusedError(
            "face", f"{labels}: this swapper takes no source face, so none can be compared with the consent's"
        )
    strangers = np.flatnonzero(likeness < THRESHOLD)
    if strangers.size:
        which = f"source {strangers[0] + 1} of {len(likeness)}" if len(likeness) > 1 else "the source"
        people = " or ".join(consent.subject for consent in consents.values())
        raise ConsentRefusedError(
            "face",
            f"{labels}: given for another face: {which} is not {people} (likeness "
            f"{likeness[strangers[0]]:.2f}, below {THRESHOLD:.2f}); if it is, make a consent of more photos",
        )
