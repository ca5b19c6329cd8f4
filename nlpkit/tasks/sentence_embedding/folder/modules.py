"""The modules that a model is made of, and what a Dense module does; those that are not computed here are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.tasks.sentence_embedding.folder.names import CUT, MODULES, ORDER, OWN, STATIC_MODULE, WEIGHTS
from nlpkit.tasks.sentence_embedding.folder.values import DAMAGED, cut, json_object

IDLE = ("Dropout",)  # modules that change nothing but in training
TRAINED_LAYER = "a trained layer on top of the pooled vector"
WITHOUT = {
    "Dense": TRAINED_LAYER,
    "LayerNorm": "a trained normalization of the pooled vector",
    "WordWeights": "a weight for each word",
    "WeightedLayerPooling": "trained weights of the layers",
    "CNN": "convolutions over the tokens",
    "LSTM": "a recurrent network over the tokens",
    "WordEmbeddings": "a table of word vectors instead of a transformer",
    "BoW": "counts of words instead of a transformer",
    "CLIPModel": "a model of pictures",
    "Router": "several models, of which the text's kind picks one",
    "Asym": "several models, of which the text's kind picks one",
}
"""Modules that are refused, as they are not computed here, and what they add."""


def listed(document: Any, name: str) -> dict[str, str] | None:
    """The folder of each module of a modules.json, by its kind; None where there is no such file.

    Raises:
        UserError: one of them is not computed here.
    """
    if document is None:
        return None
    where = _listed_in(name)
    if not isinstance(document, list) or not all(isinstance(module, dict) for module in document):
        raise UserError(f"{where} holds no list of modules", DAMAGED)
    found: dict[str, str] = {}
    for module in document:
        kind, path = str(module.get("type", "")), module.get("path", "")
        short = kind.rpartition(".")[2]
        if not kind.startswith(OWN):
            raise UserError(
                f"{where} lists the module {kind}, which is code of the model's author",
                "nlpkit does not run it, and its vectors would be others; use sentence-transformers for this model.",
            )
        if short in IDLE:
            continue
        if short not in ORDER or short in found:
            raise _refused(where, short)
        if not isinstance(path, str) or not _below(path):
            raise UserError(
                f"{where}: the path {cut(path)} of the module {short} is no folder inside the model's",
                "nlpkit reads nothing outside the folder of a model; put the right path in.",
            )
        if path.strip("./") == "" and short not in (ORDER[0], STATIC_MODULE, "Normalize"):
            raise UserError(f"{where} names no folder for the module {short}", DAMAGED)
        found[short] = path
    if ORDER[0] not in found and STATIC_MODULE not in found:
        raise UserError(f"{where} lists no {ORDER[0]}", DAMAGED)
    if list(found) != sorted(found, key=ORDER.index):
        raise UserError(
            f"{where} has the modules in the order {', '.join(found)}",
            f"nlpkit computes them in the order {', '.join(sorted(found, key=ORDER.index))} alone, which would give "
            "other vectors; use sentence-transformers for this model.",
        )
    return found


def require_beside(modules: Mapping[str, str], name: str) -> None:
    """Refuse a model whose weights lie in a folder of their own: those beside its modules.json would be opened, of
    another model.

    Args:
        modules: the folder of each.
        name: of the model.

    Raises:
        UserError: naming the folder.
    """
    kind = next((kind for kind in (ORDER[0], STATIC_MODULE) if modules.get(kind, "").strip("./")), None)
    if kind is None:
        return
    inside = modules[kind].strip("./")
    if kind == STATIC_MODULE:
        hint = "nlpkit opens tables of token vectors as model2vec saves them, beside that file."
    elif Path(name).is_dir():
        hint = f"Name that folder, {Path(name) / inside}: how vectors are made is read from {MODULES} all the same."
    else:
        hint = f"Copy the model (hf download {name} --local-dir FOLDER), and name FOLDER/{inside}."
    raise UserError(
        f"{_listed_in(name)} says that the module {kind} lies in the folder {cut(inside)}, and not beside it", hint
    )


def _listed_in(name: str) -> object:
    """Where the modules of a model are listed, for messages."""
    return Path(name) / MODULES if Path(name).is_dir() else f"{name}: {MODULES}"


def _refused(where: object, module: str) -> UserError:
    adds = f" ({WITHOUT[module]})" if module in WITHOUT else ""
    return UserError(
        f"{where} lists the module {module}{adds}, which nlpkit does not compute",
        "Without it vectors would be others than those that the model was trained to give; use sentence-transformers "
        "for this model, or a model of Transformer, Pooling and Normalize.",
    )


def _below(path: str) -> bool:
    """Whether a path, as a model's file writes it, stays in the model's folder."""
    parts = path.replace("\\", "/").split("/")
    return not path.startswith(("/", "\\")) and ".." not in parts and ":" not in path and "\0" not in path


def kept(path: Callable[[str], Path | None], document: Callable[[str], Any], folder: str, name: str) -> int:
    """How many numbers of a vector a Dense module keeps that does no more than to cut it, as `writing.write` makes one.

    Args:
        path, document: give a file of the model, and what it holds.
        folder: of the module.

    Raises:
        UserError: it does more, or its weights are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config = json_object(document(f"{folder}/config.json"), f"{name}: {folder}/config.json")
    weights = path(f"{folder}/{WEIGHTS}")
    try:
        tensors = load_file(weights) if weights is not None else {}
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{weights} cannot be read: {error}", DAMAGED) from None
    table = tensors.pop("linear.weight", np.zeros((1, 1)))
    # sentence-transformers applies tanh where no function is named, and another input than the pooled vector if asked
    plain = str(config.get("activation_function", "Tanh")).endswith(".Identity")
    plain = plain and config.get("module_input_name", "sentence_embedding") == "sentence_embedding"
    if not plain or tensors or table.ndim != 2 or not np.array_equal(table, np.eye(*table.shape)):
        raise _refused(f"{name}: {MODULES}", CUT)
    return len(table)
