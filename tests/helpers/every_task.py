"""A finished run of each task on a tiny model, for the tests of operations."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from conftest import BAD, GOOD, make_tokenizer, rows, sentence, write_jsonl
from qa_models import asked, make_reader, write_squad

from nlpkit.tasks import registry
from nlpkit.tasks.contract import Task

# Kinds of data and labels -> the task that they are of; each task of the registry has one at least.
KINDS = {
    "classification": "text-classification",
    "pairs": "text-classification",
    "regression": "text-classification",
    "multi-label": "text-classification",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
    "masked-lm": "fill-mask",
    "causal-lm": "text-generation",
    "text-to-text": "text2text-generation",
    "zero-shot": "zero-shot-classification",
    "embedding": "sentence-embedding",
    "zero-shot-embedding": "zero-shot-by-embedding",
}


def kinds(role: type[Task]) -> list[str]:
    """The kinds whose task has a role: what an operation that needs it is tested on."""
    return [kind for kind, name in KINDS.items() if issubclass(registry.task_class(name), role)]


TRAINING: dict[str, Any] = {"device": "cpu", "threads": 1, "max_steps": 4, "learning_rate": 5e-3, "batch_size": 16}


def labelled(task: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of a task on texts, with the column names that are guessed."""
    if task == "embedding":
        return pairs(count, seed)
    if task == "text-to-text":
        return turned(count, seed)
    rng = random.Random(seed)
    made: list[dict[str, Any]] = rows(count, seed)
    if task == "pairs":
        return [
            {"sentence1": row["text"], "sentence2": sentence(rng, "positive"), "label": row["label"]} for row in made
        ]
    if task == "regression":
        return [{"text": row["text"], "label": float(row["label"] == "positive") + rng.random() / 4} for row in made]
    if task == "multi-label":
        return [{"text": row["text"], "labels": [row["label"], "short"][: 1 + (len(row["text"]) < 40)]} for row in made]
    return made


def tagged(count: int, seed: int) -> str:
    """Sentences whose kind words are entities, in CoNLL columns."""
    rng = random.Random(seed)
    parts = []
    for _ in range(count):
        words = sentence(rng, rng.choice(["positive", "negative"])).split()
        tags = ["B-GOOD" if word in GOOD else "B-BAD" if word in BAD else "O" for word in words]
        parts.append("".join(f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True)))
    return "\n".join(parts)


def pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """Pairs of texts with the score of their likeness."""
    scored = labelled("regression", count, seed)
    others = [row["text"] for row in rows(count, seed + 2)]
    return [
        {"sentence1": row["text"], "sentence2": other, "score": row["label"]}
        for row, other in zip(scored, others, strict=True)
    ]


def turned(count: int, seed: int) -> list[dict[str, Any]]:
    """Texts, and each with its words in reverse."""
    texts = [row["text"] for row in rows(count, seed)]
    return [{"source": text, "target": " ".join(reversed(text.split()))} for text in texts]


SMALL_T5: dict[str, Any] = {
    "arch": "t5",
    "encoder_layers": 2,
    "decoder_layers": 2,
    "hidden_size": 32,
    "heads": 2,
    "intermediate_size": 64,
    "vocab_size": 300,
}


def make_run(task: str, folder: Path, model: Path) -> Path:
    """Train a little; the run's folder, with its data beside it.

    Args:
        task: one of `KINDS`.
        folder: to write to.
        model: a tiny encoder without a head.
    """
    (folder / "data").mkdir(parents=True)
    untrained = {
        "masked-lm": make_masked_lm,
        "causal-lm": make_causal_lm,
        "zero-shot": make_zero_shot,
        "zero-shot-embedding": make_zero_shot_embedding,
        "embedding": make_embedding,
    }
    if task in untrained:
        return untrained[task](folder)
    recipe, options = training(task, folder, model)
    recipe.run(recipe.Config(**options))
    return Path(options["output"])


def training(task: str, folder: Path, model: Path) -> tuple[Any, dict[str, Any]]:
    """The recipe and the options that train a little on data which are written here; see `make_run`."""
    from nlpkit.recipes import finetune_cls, finetune_embed, finetune_ner, finetune_qa, finetune_seq2seq

    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    common = {**TRAINING, "data": str(data), "output": folder / "run", "model": str(model)}
    splits = {"train": (64, 1), "validation": (32, 2)}
    if task == "token-classification":
        for split, size in splits.items():
            (data / f"{split}.conll").write_text(tagged(*size), encoding="utf-8")
        return finetune_ner, common
    if task == "question-answering":
        for split, (count, seed) in splits.items():
            write_squad(data / f"{split}.json", asked(count, seed=seed))
        reader = make_reader(folder / "reader")
        return finetune_qa, {**common, "model": str(reader), "max_length": 48, "doc_stride": 8}
    for split, (count, seed) in splits.items():
        write_jsonl(data / f"{split}.jsonl", labelled(task, count, seed))
    if task == "text-to-text":
        return finetune_seq2seq, {**common, "model": None, **SMALL_T5}
    return finetune_embed if task == "embedding" else finetune_cls, common


def write_text(folder: Path) -> None:
    """Lines of running text, train and validation."""
    rng = random.Random(0)
    for split, count in (("train", 64), ("validation", 32)):
        lines = [sentence(rng, rng.choice(["positive", "negative"])) for _ in range(count)]
        (folder / "data" / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_causal_lm(folder: Path) -> Path:
    """A random model that writes as Transformers saves it, and text beside it."""
    from writers import make_writer

    write_text(folder)
    return make_writer(folder / "run")


def make_text_to_text(folder: Path) -> Path:
    """A random T5 as Transformers saves it, and text beside it."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration
    from writers import byte_tokenizer

    write_text(folder)
    tokenizer = byte_tokenizer()
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "initializer_factor": 3.0}
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(4)
    config = T5Config(**shape, **ids, vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.pad_token_id)
    T5ForConditionalGeneration(config).save_pretrained(folder / "run")
    tokenizer.save_pretrained(folder / "run")
    return folder / "run"


def make_masked_lm(folder: Path) -> Path:
    """A random masked language model as Transformers saves it, and text beside it."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    write_text(folder)
    torch.manual_seed(2)
    tokenizer = make_tokenizer()
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, **shape)
    BertForMaskedLM(config).save_pretrained(folder / "run")
    tokenizer.save_pretrained(folder / "run")
    return folder / "run"


def make_zero_shot(folder: Path) -> Path:
    """A random model for inference whose record names labels, as `quantize` leaves one, and texts with these labels."""
    from transformers import BertForSequenceClassification

    for split, (count, seed) in (("train", (64, 1)), ("validation", (32, 2))):
        write_jsonl(folder / "data" / f"{split}.jsonl", rows(count, seed))
    names = ("entailment", "neutral", "contradiction")
    task = {
        "name": "zero-shot-classification",
        "problem": "single-label",
        "labels": ["negative", "positive"],
        "template": "This example is {}.",
        "threshold": 0.5,
        "columns": {"text": "text", "label": "label", "labels": []},
        "max_length": 48,
    }
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    return _random(BertForSequenceClassification, folder, task, **labels)


def make_zero_shot_embedding(folder: Path) -> Path:
    """A random encoder whose record names labels, and texts with these labels."""
    from transformers import BertModel

    from nlpkit.tasks.sentence_embedding.vectors import Vectors

    for split, (count, seed) in (("train", (64, 1)), ("validation", (32, 2))):
        write_jsonl(folder / "data" / f"{split}.jsonl", rows(count, seed))
    task = {
        "name": "zero-shot-by-embedding",
        "problem": "single-label",
        "labels": ["negative", "positive"],
        "template": "This example is {}.",
        "threshold": 0.5,
        "columns": {"text": "text", "label": "label", "labels": []},
        "max_length": 48,
        "vectors": Vectors().record(),
    }
    return _random(BertModel, folder, task)


def make_embedding(folder: Path) -> Path:
    """A random encoder whose record says that it embeds, and pairs of texts with the score of their likeness."""
    from transformers import BertModel

    for split, (count, seed) in (("train", (64, 1)), ("validation", (32, 2))):
        write_jsonl(folder / "data" / f"{split}.jsonl", pairs(count, seed))
    task = {
        "name": "sentence-embedding",
        "normalize": True,
        "columns": {"text": "sentence1", "text_pair": "sentence2", "label": "score"},
        "max_length": 48,
    }
    return _random(BertModel, folder, task)


def _random(kind: Any, folder: Path, task: dict[str, Any], **settings: Any) -> Path:
    """A random model in `run`, with a record that names its task."""
    import torch
    from transformers import BertConfig

    torch.manual_seed(2)
    tokenizer = make_tokenizer()
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    ids = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "pad_token_id": 0}
    config = BertConfig(**ids, **shape, **settings, initializer_range=0.2)
    kind(config).save_pretrained(folder / "run")
    tokenizer.save_pretrained(folder / "run")
    record: dict[str, Any] = {"schema_version": 1, "status": "complete", "command": "quantize", "task": task}
    record["config"] = {"data": str(folder / "data")}
    (folder / "run" / "nlpkit.json").write_text(json.dumps(record))
    return folder / "run"
