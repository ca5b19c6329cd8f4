"""The folder that deployment files are written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from nlpkit.errors import UserError
from nlpkit.runs import files
from nlpkit.serving.deployment.service import ServedFolder, folder_names


def require_free(folder: Path, flag: str, *, overwrite: bool) -> None:
    """Make the folder, unless it may not be written to.

    Args:
        flag: the option that names it, for messages.
        overwrite: replace what this command has written there; other files are left.

    Raises:
        UserError: it is a file, something lies in it, or it cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{flag} {folder} is a file", "Give a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UserError(f"{flag} {folder} is not empty", "--overwrite replaces the files of that name; others stay.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{flag} {folder} cannot be made: {error.strerror}", "Give another folder.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{flag} {folder}: no permission to write there", "Give another folder.")


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files, each whole.

    Args:
        texts: by name below `folder`.
    """
    with files.writing(folder):
        for name, text in texts.items():
            with files.whole(folder / name) as partial:
                partial.write_text(text, encoding="utf-8")


def copy_models(folder: Path, models: Sequence[ServedFolder]) -> None:
    """Copy what of each model answers, readable by whoever runs the service; what was there of it is replaced."""
    with files.writing(folder):
        for model, name in zip(models, folder_names(models), strict=True):
            staged = folder / f".{name}.partial"
            shutil.rmtree(staged, ignore_errors=True)
            for file in model.files:
                target = staged / file.relative_to(model.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
                target.chmod(0o644)
            for place in (staged, *(item for item in staged.rglob("*") if item.is_dir())):
                place.chmod(0o755)
            shutil.rmtree(folder / name, ignore_errors=True)
            staged.rename(folder / name)


def unreadable(models: Sequence[ServedFolder]) -> list[Path]:
    """Files of the models that only their owner may read, as a container that mounts them is somebody else."""
    return [file for model in models for file in model.files if not file.stat().st_mode & 0o004]
