"""What the tests of pre-training share: tokenizers, corpora, token streams, small models, short runs."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tokenizer, sentence

from nlpkit.data.corpus import Batch
from nlpkit.pretraining import streams
from nlpkit.recipes import pretrain_mlm
from nlpkit.training.callbacks import LimitsCallback

ARCHITECTURES = ("bert", "roberta", "distilbert", "albert", "electra", "modernbert")


@functools.cache
def wordpiece() -> Any:
    return make_tokenizer()


@functools.cache
def byte_bpe() -> Any:
    """A byte-level BPE as RoBERTa has it: a blank is a part of the word behind it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import RobertaTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts(300), trainer)
    inner.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return RobertaTokenizerFast(tokenizer_object=inner, model_max_length=64)


def texts(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [sentence(rng, rng.choice(["positive", "negative"])) for _ in range(count)]


def documents(count: int, seed: int = 0, longest: int = 8) -> list[list[str]]:
    """Documents of 2 to `longest` lines."""
    rng = random.Random(seed)
    return [texts(rng.randint(2, longest), seed=seed * 1000 + i) for i in range(count)]


def write_corpus(path: Path, made: Sequence[Sequence[str]]) -> Path:
    path.write_text("\n\n".join("\n".join(lines) for lines in made) + "\n", encoding="utf-8")
    return path


def stream_of(made: Sequence[Sequence[str]], tokenizer: Any = None, **encoder: Any) -> streams.TokenStream:
    """The token stream of documents."""
    lines = [line for document in made for line in document]
    starts = [i == 0 for document in made for i in range(len(document))]
    batches = [Batch(lines, starts, 0)]
    return streams.in_memory(
        batches, streams.Encoder(tokenizer or wordpiece(), **encoder), keep=lambda _: True, limit=2**62
    )[0]


def tiny_config(arch: str, tokenizer: Any = None, *, max_length: int = 32, **changes: Any) -> Any:
    from nlpkit.pretraining.architectures import ArchitectureOptions, new_config

    shape = {"arch": arch, "layers": 2, "hidden_size": 32, "heads": 2, **changes}
    return new_config(ArchitectureOptions(**shape), tokenizer or wordpiece(), max_length)


def tiny_model(arch: str, auto_class: str = "AutoModelForMaskedLM", **changes: Any) -> Any:
    """An untrained model without dropout."""
    import torch
    import transformers

    from nlpkit.training.parameters import dropout_overrides

    config = tiny_config(arch, **changes)
    config.update(dropout_overrides(config, 0.0))
    torch.manual_seed(0)
    return getattr(transformers, auto_class).from_config(config)


def sources(folder: Path, count: int) -> dict[str, Any]:
    """The options that name a corpus of `count` documents and a tokenizer, both written to `folder`."""
    wordpiece().save_pretrained(folder / "tokenizer")
    corpus = write_corpus(folder / "text.txt", documents(count))
    return {"data": str(corpus), "tokenizer": str(folder / "tokenizer")}


def pretrain(output: Path, **values: Any) -> Path:
    """A short run on the CPU; gives its folder."""
    pretrain_mlm.run(configured(output, **values))
    return output


def configured(output: Path, **values: Any) -> pretrain_mlm.Config:
    defaults: dict[str, Any] = {"batch_size": 8, "max_length": 16, "device": "cpu", "threads": 1}
    if "model" not in values:
        defaults |= {"layers": 1, "hidden_size": 32}
    return pretrain_mlm.Config(**{**defaults, "output": output, **values})


def record(run: Path) -> dict[str, Any]:
    return json.loads((run / "nlpkit.json").read_text(encoding="utf-8"))


def lines(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; the last one may be cut by a kill."""
    path = run / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def logged(run: Path, name: str) -> dict[int, Any]:
    return {entry["step"]: entry[name] for entry in lines(run) if name in entry}


def weights(run: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(run / "model.safetensors")


def same_weights(first: Path, second: Path) -> bool:
    import torch

    mine, theirs = weights(first), weights(second)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def words_of(tokenizer: Any, ids: Sequence[int] | np.ndarray) -> list[list[int]]:
    """Positions of each word's pieces, as the text itself tells them apart: special tokens belong to none."""
    special = set(tokenizer.all_special_ids)
    found: list[list[int]] = []
    inside = False
    for place, token in enumerate(tokenizer.convert_ids_to_tokens(list(map(int, ids)))):
        if int(ids[place]) in special:
            inside = False
            continue
        goes_on = token.startswith("##") if "##a" in tokenizer.get_vocab() else not token.startswith("Ġ")
        if inside and goes_on:
            found[-1].append(place)
        else:
            found.append([place])
        inside = True
    return found


def course(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what a clock puts there."""
    clock = ("runtime", "per_second", "train_loss", "total_flos")
    return [{k: v for k, v in line.items() if not any(word in k for word in clock)} for line in lines(run)]


def assert_same_result(run: Path, reference: Path) -> None:
    """The same losses bit for bit, the same weights, metrics and samples."""
    mine, theirs = record(run), record(reference)
    assert mine["status"] == theirs["status"] == "complete"
    assert course(run) == course(reference)
    assert same_weights(run, reference)
    for part in ("metrics", "samples", "steps", "best_step", "config", "rows"):
        assert mine[part] == theirs[part], part
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in reference.iterdir())


def signal_after(step: int, patch: pytest.MonkeyPatch) -> None:
    """Let the process get a SIGINT at the end of a step, before it is logged, evaluated or saved."""
    original = LimitsCallback.on_step_end

    def and_signal(self: Any, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        original(self, args, state, control, **keywords)
        if state.global_step == step:
            os.kill(os.getpid(), signal.SIGINT)

    patch.setattr(LimitsCallback, "on_step_end", and_signal)
