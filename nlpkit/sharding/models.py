"""What tells a model from another one, without opening it: answers of two are not mixed in one folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nlpkit.errors import UserError, first_line
from nlpkit.models import opening

# reports on a model, which change without it
NOT_THE_MODEL = (".md", ".png", ".html", ".jsonl", ".lock")
REPORTS = ("trainer_state.json", "all_results.json")


def fingerprint(name: str, revision: str | None = None) -> str:
    """SHA-256 of the files of a model folder, in hex, or the commit of a model of the hub.

    Args:
        name: as the user gave it.
        revision: of a hub model.

    Raises:
        UserError: there is no such model.
    """
    folder = Path(opening.resolve(name))
    if not folder.is_dir():
        return f"{name}@{_commit(str(folder), revision)}"
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        name_here = path.relative_to(folder)
        hidden = any(part.startswith((".", "checkpoint-")) for part in name_here.parts)
        report = path.name in REPORTS or path.name.endswith("_results.json") or path.suffix in NOT_THE_MODEL
        if hidden or report or not path.is_file():
            continue
        with path.open("rb") as stream:
            digest.update(f"{name_here.as_posix()}\n{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _commit(name: str, revision: str | None) -> str:
    """The commit of a hub model, as the cache has it, or the hub."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, opening.CONFIG, revision=revision)).parent.name
    except Exception as error:  # of the hub, of requests, of a name that is none
        raise UserError(f"{name}: no such model ({first_line(error)})", "Give a folder or a hub name.") from None
