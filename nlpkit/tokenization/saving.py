"""Saving a tokenizer as the class that opens it again unchanged.

The classes of transformers 5 (BertTokenizer, ...) take the vocabulary from tokenizer.json and build the rest of the
pipeline anew from a few arguments. What those cannot express (a Unicode form, a template, another kind of model) would
be lost on opening, so such tokenizers are saved as PreTrainedTokenizerFast, which takes tokenizer.json as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlpkit import process
from nlpkit.errors import RunError

GENERAL = "PreTrainedTokenizerFast"
# arguments that say where a tokenizer came from, or repeat its tokenizer.json
_NOT_KEPT = frozenset(
    {"name_or_path", "tokenizer_file", "tokenizer_object", "vocab_file", "merges_file", "vocab", "merges", "backend",
     "added_tokens_decoder", "is_local", "local_files_only"}
)  # fmt: skip


def save(
    backend: Any,
    folder: Path,
    arguments: dict[str, Any],
    *,
    stock: str | None = None,
    stock_arguments: dict[str, Any] | None = None,
) -> Any:
    """Write the files of a tokenizer, and open them as any user will.

    Args:
        backend: a `tokenizers.Tokenizer`.
        folder: an existing one; tokenizer.json and tokenizer_config.json are written.
        arguments: of the transformers class: special tokens, model_max_length, ...
        stock: name of the class to prefer.
        stock_arguments: of that class only.

    Returns:
        The tokenizer as `AutoTokenizer.from_pretrained` opens it.

    Raises:
        RunError: no class opens it unchanged.
    """
    import transformers

    process.silence_transformers()
    for name in dict.fromkeys([stock or GENERAL, GENERAL]):
        own = (stock_arguments or {}) if name == stock else {}
        getattr(transformers, name)(tokenizer_object=backend, **arguments, **own).save_pretrained(folder)
        try:
            opened = transformers.AutoTokenizer.from_pretrained(folder)
        except Exception:  # whatever its constructor says to a model that is not its own
            if name == GENERAL:
                raise
            continue
        if pipeline_of(opened.backend_tokenizer) == pipeline_of(backend):
            return opened
    raise RunError(f"transformers {transformers.__version__} opens the tokenizer in another form than it was saved in")


def pipeline_of(backend: Any) -> dict[str, Any]:
    """All that decides what a tokenizer does, in a form that can be compared."""
    document = json.loads(backend.to_str())
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if key in document["model"]:
            document["model"][key] = document["model"][key] or None  # two ways to write nothing
    if isinstance(document["model"]["vocab"], list):  # scores lose their last bit on the way through a file
        document["model"]["vocab"] = [[piece, round(score, 9)] for piece, score in document["model"]["vocab"]]
    # padding and truncation are set by each call
    return {key: value for key, value in document.items() if key not in ("version", "truncation", "padding")}


def arguments_of(tokenizer: Any) -> dict[str, Any]:
    """The arguments that make another tokenizer of the same class like this one, around another backend."""
    kept = {name: value for name, value in tokenizer.init_kwargs.items() if name not in _NOT_KEPT}
    named = {role: getattr(tokenizer, role) for role in tokenizer.SPECIAL_TOKENS_ATTRIBUTES}
    return kept | {role: token for role, token in named.items() if token is not None}


def distinct_names(given: Sequence[str]) -> list[str]:
    """Short names for tables; folders of one name keep their whole path."""
    from nlpkit.models import opening

    short = [opening.display_name(name) for name in given]
    return [whole if short.count(name) > 1 else name for name, whole in zip(short, given, strict=True)]


def open_tokenizer(name: str, flag: str) -> Any:
    """The fast tokenizer of a folder or hub name that was given with `flag`.

    Raises:
        UserError: there is none, or it has no fast version.
    """
    from nlpkit.models import opening

    return opening.load_tokenizer(opening.resolve(name, flag), flag=flag)
