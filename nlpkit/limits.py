"""How far texts are read, as a model folder tells it to every program that opens it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlpkit.runs.folder import write_json

# in tokenizer_config.json, beside a model_max_length that is the limit of a run: what it was before
BEFORE = "nlpkit_model_max_length"
SENTENCE = "sentence_bert_config.json"  # of sentence-transformers and of servers of its models


def save_tokenizer(tokenizer: Any, folder: Path, length: int | None, inputs: Sequence[str] | None = None) -> None:
    """Write the tokenizer of a trained model, which cuts texts where the model's task does.

    `model_max_length` is read by all who truncate with transformers or transformers.js, the truncation in
    tokenizer.json by the tokenizers library, which cuts without being asked, and `max_seq_length` by
    sentence-transformers and what serves its models. What earlier calls have left behind in the tokenizer (truncation,
    padding) is not written.

    Args:
        tokenizer: not changed.
        folder: of the model.
        length: tokens an input, special ones included; None: as many as the tokenizer says.
        inputs: what the model takes, where that is not what the tokenizer gives: a graph has no other inputs than it
            reads, and ONNX Runtime refuses others.
    """
    told = copy.deepcopy(tokenizer)
    if inputs is not None:
        told.model_input_names = list(inputs)
    # what `fitting.fit` has settled is written only where it was an argument of the tokenizer's class
    if told.model_input_names != type(told).model_input_names:
        told.init_kwargs["model_input_names"] = told.model_input_names
    if told.padding_side != type(told).padding_side:
        told.init_kwargs["padding_side"] = told.padding_side
    if told.is_fast:
        told.backend_tokenizer.no_padding()
        told.backend_tokenizer.no_truncation()
    told.init_kwargs.pop("max_length", None)  # of a truncation that the file had before
    if length is not None:
        told.init_kwargs[BEFORE] = tokenizer.model_max_length
        told.model_max_length = length
        if told.is_fast:
            told.backend_tokenizer.enable_truncation(length, direction=told.truncation_side)
        write_json(folder / SENTENCE, {"max_seq_length": length, "do_lower_case": False})
    told.save_pretrained(folder)


def restore(tokenizer: Any) -> None:
    """Give a tokenizer that `save_tokenizer` wrote the length that it had before: a run that begins with its model has
    a limit of its own."""
    before = tokenizer.init_kwargs.pop(BEFORE, None)
    if isinstance(before, int | float) and not isinstance(before, bool):
        tokenizer.model_max_length = tokenizer.init_kwargs["model_max_length"] = before
