"""Uploading a run to the hub: the right to do so is checked before the work, the upload comes last."""

from __future__ import annotations

from pathlib import Path

from nlpkit import process, reporting
from nlpkit.errors import RunError, UserError, first_line
from nlpkit.options import UploadOptions


def require_hub_access(config: UploadOptions, folder: Path) -> str | None:
    """Check the right to push before hours of training, and make the repository.

    Args:
        folder: of the run, which gives the repository its name unless the user has.

    Returns:
        The name of the repository; None where nothing is to be uploaded.

    Raises:
        UserError: not logged in, no right to write, or no network.
    """
    if not config.push_to_hub or not process.is_main_process():
        return None
    from huggingface_hub import HfApi

    named = folder.resolve().name if config.push_to_hub is True else str(config.push_to_hub)
    try:
        api = HfApi()
        api.whoami()
        return api.create_repo(named, private=not config.public, exist_ok=True).repo_id
    except Exception as error:
        raise UserError(
            f"--push-to-hub {named}: cannot write there: {first_line(error)}",
            "Log in with `hf auth login`, check the name, or leave the flag out and upload the folder later.",
        ) from error


def push(folder: Path, repository: str, *, public: bool) -> None:
    """Upload a finished run.

    Raises:
        RunError: the upload failed; the run itself is complete.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().upload_folder(repo_id=repository, folder_path=folder, ignore_patterns=["checkpoints/*", ".*"])
    except Exception as error:
        raise RunError(
            f"the run is complete in {folder}, but its upload failed: {first_line(error)}",
            f"Upload it again: hf upload {repository} {reporting.typed(folder)}",
        ) from error
    reporting.current().note(f"uploaded to {repository} ({'public' if public else 'private'} if it is new)")
