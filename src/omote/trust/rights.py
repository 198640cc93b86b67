"""Rights: why a job may use the source face. Nothing is made without an answer."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import numpy.typing as npt

from omote.errors import RefusedError, UsageError
from omote.trust.blocklist import require_not_blocked
from omote.trust.consent import read_consent
from omote.trust.consent_rules import Use, require_faces, require_scope, require_valid
from omote.trust.revocations import revoked

Basis = Literal["own", "consent", "synthetic", "public-domain", "licensed"]
BASES: tuple[Basis, ...] = get_args(Basis)

CURE = (
    "say why you may use the source face: --rights own, consent[:FILE], synthetic, public-domain or "
    "licensed:REFERENCE (or OMOTE_RIGHTS)"
)


@dataclass(frozen=True, slots=True)
class Rights:
    """Why a job may use the source face, as the user states it.

    Attributes:
        basis: own face, consent of the person, a face of nobody (synthetic), public domain (an artwork,
            somebody long dead), or a licence, such as a model release.
        consents: files of consent records, which are then held against the source faces; several where the
            faces of several people are used.
        reference: by which the licence can be found: a contract's number, an address.
    """

    basis: Basis
    consents: tuple[Path, ...] = ()
    reference: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Rights":
        """Read what `--rights` says.

        Raises:
            UsageError: it is none of `BASES`, or a reference is missing or superfluous.
        """
        word, colon, rest = text.strip().partition(":")
        basis = next((basis for basis in BASES if basis == word.strip().lower()), None)
        rest = rest.strip()
        if basis is None or (colon and not rest.strip("+ ")):
            raise UsageError(f"--rights {text}: {CURE}")
        if basis == "consent":
            # As where several networks are named: a file that exists is one, whatever its name.
            files = [rest] if Path(rest).exists() else rest.split("+")
            return cls(basis, consents=tuple(Path(file.strip()) for file in files if file.strip()))
        if basis == "licensed":
            if not rest or len(rest) > 200 or not rest.isprintable():
                raise UsageError(
                    f"--rights {text}: name the licence in at most 200 characters: licensed:REFERENCE"
                )
            return cls(basis, reference=rest)
        if rest:
            raise UsageError(f"--rights {text}: '{basis}' takes no reference")
        return cls(basis)

    def __str__(self) -> str:
        rest = self.reference or "+".join(map(str, self.consents))
        return f"{self.basis}:{rest}" if rest else self.basis


@dataclass(frozen=True, slots=True)
class RightsStatement:
    """What outputs and the log say of the rights: plain facts, nothing that names a person.

    Attributes:
        basis: one of `BASES`.
        reference: of the licence.
        consent_sha256: digest of the consent record's signed part; of several joined by +.
        signer: fingerprint of the key that signed it; likewise.
    """

    basis: Basis
    reference: str | None = None
    consent_sha256: str | None = None
    signer: str | None = None

    def as_dict(self) -> dict[str, str]:
        """Its facts by name; what is not known is left out."""
        facts = {
            "basis": self.basis,
            "reference": self.reference,
            "consent_sha256": self.consent_sha256,
            "signer": self.signer,
        }
        return {name: value for name, value in facts.items() if value is not None}


def require_rights(text: str | None) -> Rights:
    """Read what the user stated.

    Raises:
        RefusedError: nothing was stated.
        UsageError: it makes no sense.
    """
    if text is None or not text.strip():
        raise RefusedError(f"nothing is made without a right to the face: {CURE}")
    return Rights.parse(text)


def check_rights(
    rights: Rights, sources: npt.ArrayLike, network: str, use: Use, moment: datetime, home: Path
) -> RightsStatement:
    """Hold the stated rights against the source faces.

    Args:
        rights: as stated.
        sources: (N, D) embeddings of the source faces by `template.Recognition`, one row per photo; N is
            0 for swappers that know their person already, whose face nobody can check.
        network: its digest, `Recognition.sha256`.
        use: what is made, and for which project.
        moment: now.
        home: the private folder, `home.trust_folder()`.

    Raises:
        BlockedError: a source is on the do-not-swap list.
        ConsentRefusedError: the consent does not allow this.
        InputError: the consent, or a list of the private folder, cannot be read.
    """
    require_not_blocked(home, sources, network)
    if not rights.consents:
        return RightsStatement(rights.basis, rights.reference)
    consents = {str(path): read_consent(path) for path in rights.consents}
    known = revoked(home)
    for label, consent in consents.items():
        require_valid(consent, label, moment, known)
        require_scope(consent, label, use)
    require_faces(consents, sources, network)
    return RightsStatement(
        rights.basis,
        consent_sha256="+".join(consent.sha256 for consent in consents.values()),
        signer="+".join(str(consent.signer) for consent in consents.values()),
    )
