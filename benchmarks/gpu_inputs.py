"""What `gpu_check.py` trains on: rows, running text and questions, given or made; a tokenizer; untrained weights.

Made text has the word counts of the shipped sample. Its words are made of syllables and are drawn as words are in
real text, a few of them often and most of them rarely, so that about as many pieces of the vocabulary are in use.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import re
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from nlpkit.recipes import train_tokenizer

SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
KINDS = {"negative": ["zubad", "zuworse", "zuawful"], "positive": ["yogood", "yokind", "yolovely"]}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
POSITIONS = 512


class Words:
    """Draws words of a made language.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.words = sorted({"".join(self.random.choices(SYLLABLES, k=1 + i % 4)) for i in range(count)})
        self.random.shuffle(self.words)
        # Zipf's law, as Mandelbrot wrote it for English
        self.cumulative = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(self.words))))
        self.lengths = sample_lengths()

    def drawn(self, count: int) -> list[str]:
        """So many words."""
        return self.random.choices(self.words, cum_weights=self.cumulative, k=count)

    def text(self) -> list[str]:
        """The words of a text as long as one of the sample."""
        return self.drawn(self.random.choice(self.lengths))

    def row(self, label: str) -> dict[str, str]:
        """A text with two words of its label."""
        words = self.text()
        for word in self.random.choices(KINDS[label], k=2):
            words.insert(self.random.randrange(len(words) + 1), word)
        return {"text": " ".join(words), "label": label}

    def rows(self, count: int) -> Iterator[dict[str, str]]:
        """Different rows, of both labels in turns."""
        seen: set[str] = set()
        while len(seen) < count:
            made = self.row(list(KINDS)[len(seen) % 2])
            if made["text"] not in seen:
                seen.add(made["text"])
                yield made

    def document(self) -> str:
        """One to twelve texts, a line each."""
        return "".join(" ".join(self.text()) + ".\n" for _ in range(self.random.randint(1, 12)))

    def question(self, number: int, words: int) -> dict[str, Any]:
        """A question of SQuAD's shape whose answer is the word behind another one."""
        context = self.drawn(words)
        place = self.random.randrange(1, words)
        start = len(" ".join(context[:place])) + 1
        answers = [{"text": context[place], "answer_start": start}]
        asked = {"id": str(number), "question": f"what follows {context[place - 1]}?", "answers": answers}
        return {"title": str(number), "paragraphs": [{"context": " ".join(context), "qas": [asked]}]}


def sample_lengths() -> list[int]:
    """Words of each text of the shipped sample."""
    with (files("nlpkit") / "data" / "samples" / "feedback" / "train.csv").open(encoding="utf-8", newline="") as file:
        return [len(row["text"].split()) for row in csv.DictReader(file)]


def make(folder: Path, given: Path | None, *, tiny: bool) -> dict[str, Any]:
    """Make or find all inputs below `folder`; returns what they are.

    Args:
        folder: empty.
        given: a folder of the user's: train.* and validation.* with the columns text and label; corpus.txt or .txt.gz
            and qa.json where it has them.
        tiny: few rows, and a model of 2 layers.

    Returns:
        `data`, `corpus`, `questions`, `tokenizer` and `model` as paths; `from` in words; `seconds` of each part.
    """
    clock, seconds = time.perf_counter, {}
    start = clock()
    words = Words(300 if tiny else 40_000)
    train, validation, documents, questions, asked = (
        (640, 64, 300, 12, 24) if tiny else (16_000, 1_000, 24_000, 128, 120)
    )
    data, corpus, squad = folder / "data", folder / "corpus.txt", folder / "qa.json"
    said = "made: word counts of the shipped sample, words of syllables"
    if given is not None:
        said = f"rows of {given}"
        data, found = given, sorted(path for path in given.glob("corpus*") if re.search(r"\.txt(\.gz)?$", path.name))
        # without running text the rows are the documents
        trains = sorted(path for path in given.iterdir() if path.stem == "train")
        if not found and not trains:
            raise FileNotFoundError(f"{given}: there is no train.* with the columns text and label")
        corpus = found[0] if found else trains[0]
        squad = given / "qa.json" if (given / "qa.json").exists() else squad
    else:
        data.mkdir()
        for split, count in (("train", train), ("validation", validation)):
            with (data / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
                out = csv.DictWriter(file, ["text", "label"])
                out.writeheader()
                out.writerows(words.rows(count))
        corpus.write_text("\n".join(words.document() for _ in range(documents)), encoding="utf-8")
    if not squad.exists():
        articles = [words.question(number, asked) for number in range(questions)]
        squad.write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")
    seconds["text"] = clock() - start
    start = clock()
    train_tokenizer.run(
        train_tokenizer.Config(
            data=[str(corpus)],
            style="bert",
            vocab_size=600 if tiny else 30_522,
            validation_share=0,
            output=folder / "tokenizer",
        )
    )
    seconds["tokenizer"] = clock() - start
    start = clock()
    pieces = write_model(folder, tiny=tiny)
    seconds["weights"] = clock() - start
    return {
        **{name: str(path) for name, path in (("data", data), ("corpus", corpus), ("questions", squad))},
        "tokenizer": str(folder / "tokenizer"),
        "model": str(folder / "model"),
        "from": said,
        "pieces": pieces,
        "seconds": seconds,
    }


def write_model(folder: Path, *, tiny: bool) -> int:
    """Write the untrained BERT with its tokenizer; returns the size of the tokenizer's vocabulary."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    tokenizer.model_max_length = POSITIONS
    torch.manual_seed(0)
    # a vocabulary as large as BERT's, however many pieces the text has: the table of embeddings costs time too
    size = len(tokenizer) if tiny else max(len(tokenizer), 30_522)
    shape: dict[str, Any] = TINY if tiny else BASE
    config = BertConfig(
        vocab_size=size, max_position_embeddings=POSITIONS, pad_token_id=tokenizer.pad_token_id, **shape
    )
    BertModel(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return len(tokenizer)
