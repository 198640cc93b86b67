"""The digest that a release itself states of a file, asked over TLS."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from omote.zoo.transfer import Transfer, TransferError

_DIGEST = re.compile(r'"?(?:sha256:)?([0-9a-fA-F]{64})"?')


@dataclass(frozen=True, slots=True)
class Forges:
    """The two places that state digests of their files.

    Attributes:
        github: start of the addresses of GitHub's releases.
        github_api: where GitHub's interface is asked.
        huggingface: start of the addresses of Hugging Face's files.
    """

    github: str = "https://github.com"
    github_api: str = "https://api.github.com"
    huggingface: str = "https://huggingface.co"


def stated_digest(origins: Sequence[str], transfer: Transfer, forges: Forges) -> str | None:
    """The sha256 that the first of these origins states of its file; None if none does.

    GitHub lists `digest` with the assets of a release (those uploaded since June 2025 have one). Hugging Face
    answers with `X-Linked-Etag`, the digest of a file kept in LFS.
    """
    for url in origins:
        try:
            if url.startswith(forges.github + "/"):
                digest = _of_github(url.removeprefix(forges.github), transfer, forges.github_api)
            elif url.startswith(forges.huggingface + "/"):
                digest = _digest_in(transfer.ask("HEAD", url).headers.get("x-linked-etag"))
            else:
                continue
        except TransferError:
            continue
        if digest is not None:
            return digest
    return None


def _of_github(path: str, transfer: Transfer, api: str) -> str | None:
    match = re.fullmatch(r"/([^/]+)/([^/]+)/releases/download/([^/]+)/([^/?]+)", path)
    if match is None:
        return None
    owner, project, tag, file = (unquote(part) for part in match.groups())
    answer = transfer.ask("GET", f"{api}/repos/{owner}/{project}/releases/tags/{quote(tag, safe='')}")
    if answer.status != 200:
        return None
    try:
        assets = json.loads(answer.body)["assets"]
        stated = [asset.get("digest") for asset in assets if asset["name"] == file]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return _digest_in(stated[0]) if stated else None


def _digest_in(text: object) -> str | None:
    match = _DIGEST.fullmatch(text) if isinstance(text, str) else None
    return match[1].lower() if match else None
