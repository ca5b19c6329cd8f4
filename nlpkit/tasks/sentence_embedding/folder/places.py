"""Where the files of a model are: in its folder, or on the hub, from which these small files alone are fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from nlpkit.errors import UserError
from nlpkit.runs.files import small_text
from nlpkit.tasks.sentence_embedding.folder.names import MODULES, ORDER
from nlpkit.tasks.sentence_embedding.folder.values import DAMAGED, cut


class Unreachable(Exception):
    """The hub cannot be asked for a file, in words that end a message."""


def in_folder(folder: Path) -> Callable[[str], Path | None]:
    """Where a file of a folder is, by its name; None where there is none.

    Raises:
        UserError: when called for what has the name of a file and is none: a link to nothing, as a cache keeps one
            whose content was removed, would else be taken for a file that the model does not have.
    """

    def path(name: str) -> Path | None:
        place = folder / name
        try:
            if not place.is_file() and (place.is_symlink() or place.exists()):
                raise UserError(f"{place} is no file that can be read", DAMAGED)
            return place if place.is_file() else None
        except OSError as error:  # such as a name that is too long
            raise UserError(f"{cut(str(place))} cannot be opened: {error.strerror}", DAMAGED) from None

    return path


def on_hub(model: str, revision: str | None) -> Callable[[str], Path | None]:
    """Where the copy of a file of a model on the hub is, by its name; None where the model has none.

    Raises:
        Unreachable: when called for a file that is not in the cache, and the hub cannot be asked for it.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    from nlpkit.models import opening

    def path(name: str) -> Path | None:
        cached = huggingface_hub.try_to_load_from_cache(model, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
        if cached is not None:
            return None  # The hub has said before that there is no such file.
        if opening.offline():
            raise Unreachable(f"{name} is not in the cache, and the network is not to be used")
        try:
            return Path(huggingface_hub.hf_hub_download(model, name, revision=revision))
        except LocalEntryNotFoundError:
            raise Unreachable(f"{name} is not in the cache, and the hub does not answer") from None
        except EntryNotFoundError:
            return None
        except OSError as error:  # of HTTP too: no such repository, no leave to read it, no answer
            raise Unreachable(str(error).strip().splitlines()[0] if str(error).strip() else name) from None

    return path


def whole_model(folder: Path) -> Path | None:
    """The folder of the model whose transformer lies in `folder`, by the modules.json beside that; None where a folder
    is a model by itself, or nobody names it."""
    inside = folder if folder.name not in ("", "..") else folder.resolve()
    beside = inside.parent / MODULES
    if not inside.is_dir() or (inside / MODULES).exists() or not beside.is_file():
        return None
    try:
        listed = json.loads(small_text(beside))
    except (OSError, ValueError, RecursionError):  # a file of that name that belongs to something else
        return None
    modules = [module for module in listed if isinstance(module, dict)] if isinstance(listed, list) else []
    own = [str(module.get("type", "")) for module in modules if module.get("path") in (inside.name, f"{inside.name}/")]
    return inside.parent if any(kind.rpartition(".")[2] == ORDER[0] for kind in own) else None
