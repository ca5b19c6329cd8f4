"""What a vector is made of, as the files of a model say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit.models.files import CONFIG, STATIC
from nlpkit.tasks.sentence_embedding.folder import modules, places, values
from nlpkit.tasks.sentence_embedding.folder.names import (
    CUT,
    LIMITS,
    MODULES,
    OLD_LIMITS,
    POOLING,
    SETTINGS,
    STATIC_MODULE,
)
from nlpkit.tasks.sentence_embedding.folder.places import Unreachable, in_folder, on_hub
from nlpkit.tasks.sentence_embedding.vectors import Vectors

NO_LIMIT = 2**31 - 1  # a limit above it is none: tokenizers write 10**30 where they know of none


def vectors_of(place: str | Path, revision: str | None = None) -> Vectors:
    """Read what vectors of a model are, of a folder, or of a hub name: then these small files alone are fetched.

    Where no file says how states are pooled, it is the mean, as in sentence-transformers, and without a modules.json
    vectors have length 1: `guessed` says why.

    Args:
        place: folder or hub name; empty: nothing is known of it. The folder of the transformer alone, where the
            modules.json beside it names it, is read as the model whose part it is.
        revision: of a hub model.

    Raises:
        UserError: the model has a part that is not computed here, or that lies elsewhere in its folder, or a file is
            damaged.
    """
    name = str(place)
    if not name:
        return Vectors(guessed="the model names no folder in which this is written")
    try:
        return _read(name, revision)
    except Unreachable as error:
        return Vectors(guessed=f"{name} could not be asked ({error})")


def _read(name: str, revision: str | None) -> Vectors:
    """The same of a folder or a hub name that there is.

    Raises:
        Unreachable: the hub cannot be asked for a file.
        UserError: as `vectors_of`.
    """
    whole = places.whole_model(Path(name))
    name = name if whole is None else str(whole)
    path = in_folder(Path(name)) if Path(name).is_dir() else on_hub(name, revision)

    def document(file: str) -> Any:
        place = path(file)
        return None if place is None else values.parsed(place, place if Path(name).is_dir() else f"{name}: {file}")

    listed = modules.listed(document(MODULES), name)
    if whole is None:
        modules.require_beside(listed or {}, name)
    settings = values.json_object(document(SETTINGS), f"{name}: {SETTINGS}")
    config = values.json_object(document(CONFIG), f"{name}: {CONFIG}") if listed is None else {}
    if config.get("model_type") == STATIC or STATIC_MODULE in (listed or {}):
        # a table has no file on pooling: it is the mean; model2vec itself reads its config.json
        length_one = config.get("normalize") is True if listed is None else "Normalize" in listed
        prompts, default = values.prompts(settings, name), values.default_prompt(settings, name)
        source = _shown(name, CONFIG if listed is None else MODULES)
        return Vectors(normalize=length_one, table=True, prompts=prompts, default_prompt=default, source=source)
    parts = {"Pooling": POOLING.partition("/")[0], "Normalize": ""} if listed is None else listed
    root = parts.get("Transformer", "")
    file = f"{parts.get('Pooling', '')}/config.json"
    pooling_file = Path(name) / file if Path(name).is_dir() else f"{name}: {file}"
    pooling = values.json_object(document(file) if "Pooling" in parts else None, pooling_file)
    names = (LIMITS, *(OLD_LIMITS if listed is not None else ()))
    told = (values.json_object(document(f"{root}/{one}" if root else one), f"{name}: {one}") for one in names)
    limits: Mapping[str, Any] = next(filter(None, told), {})
    length = values.whole(limits, "max_seq_length", f"{name}: {LIMITS}")
    named = values.names_pooling(pooling)
    silent = (
        f"{_shown(name, file)} names no way of pooling" if pooling else f"{name} has no {file}, which would say how"
    )
    return Vectors(
        pooling=values.pooling(pooling, pooling_file),
        normalize="Normalize" in parts,
        include_prompt=values.switch(pooling, "include_prompt", pooling_file, default=True),
        prompts=values.prompts(settings, name),
        default_prompt=values.default_prompt(settings, name),
        dims=modules.kept(path, document, parts[CUT], name)
        if CUT in parts
        else values.whole(settings, "truncate_dim", f"{name}: {SETTINGS}"),
        similarity=values.similarity(settings, name),
        max_length=None if length is None or length > NO_LIMIT else length,
        lower_case=values.switch(limits, "do_lower_case", f"{name}: {LIMITS}", default=False),
        source=_shown(name, file) if named else "",
        guessed="" if named else silent,
    )


def _shown(name: str, file: str) -> str:
    """A file of a model as its user knows it: of the package that `minilm` stands for, by that name."""
    from nlpkit.models import opening

    known = opening.in_words(name)
    return str(Path(name) / file) if known == name and Path(name).is_dir() else f"{known}: {file}"
