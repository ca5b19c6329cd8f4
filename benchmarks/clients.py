"""Figures of nlpkit against those of other programs that CI has no room for, on random cases.

    pip install --no-deps --target OTHERS conlleval==0.2 torchmetrics==1.9.0 lightning-utilities==0.15.3
    pip download --no-deps -d OTHERS transformers==4.57.1
    python benchmarks/clients.py OTHERS

The evaluation of SQuAD 2.0 went with transformers 4, of which one file is read; torchmetrics has that of SQuAD 1.1, and
conlleval is the script of CoNLL-2000 in Python. Printed is the largest difference of any figure.
"""

from __future__ import annotations

import random
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nlpkit.metrics import squad, tagging

SQUAD_2 = "transformers/data/metrics/squad_metrics.py"
CASES = 300
TEXTS = [
    "The Denver Broncos", "denver broncos!", "a", "the", "", "U.S.A.", "usa", "New  York\tCity", "10,000", "10000",
    "an apple a day", "Apple day", "«Élan»", "élan", "theatre", "the-end", "São Paulo", "—", "1/2", "co-op", "it's",
]  # fmt: skip
WORDS = ["the", "a", "Denver", "denver,", "Broncos", "U.S.", "us", "10", "1.0", "—", "of"]
TAGS = ["O", "O", "O", *(f"{letter}-{kind}" for letter in "BI" for kind in ("PER", "LOC"))]


def squad_2_of(folder: Path) -> Any:
    """The module in the wheel of transformers 4, which cannot be imported beside 5."""
    (wheel,) = folder.glob("transformers-4*.whl")
    source = zipfile.ZipFile(wheel).read(SQUAD_2).decode()
    lines = (line for line in source.splitlines() if not line.startswith("from ...") and "logging." not in line)
    module = types.ModuleType("squad_metrics")
    exec(compile("\n".join(lines), SQUAD_2, "exec"), module.__dict__)
    return module


def questions(rng: random.Random) -> tuple[list[str], list[float], list[list[str]]]:
    """Answers, how much speaks for none, and the gold answers of each question."""

    def text() -> str:
        return rng.choice([rng.choice(TEXTS), " ".join(rng.choices(WORDS, k=rng.randint(0, 4)))])

    golds = [[text() for _ in range(rng.choice([0, 1, 1, 3]))] for _ in range(rng.randint(2, 40))]
    answers = [rng.choice([*wanted, text()]) for wanted in golds]
    return answers, [rng.choice([rng.gauss(0, 3), 0.0, 1.0]) for _ in golds], golds


def against_squad_2(folder: Path) -> Iterator[tuple[float, float]]:
    """All figures of the script, thresholds too."""
    official = squad_2_of(folder)
    for seed in range(CASES):
        rng = random.Random(seed)
        answers, odds, golds = questions(rng)
        threshold = rng.choice([0.0, 1.0, -0.7])
        examples = [
            SimpleNamespace(qas_id=str(i), answers=[{"text": gold} for gold in found]) for i, found in enumerate(golds)
        ]
        texts, chances = ({str(i): value for i, value in enumerate(values)} for values in (answers, odds))
        theirs = official.squad_evaluate(examples, texts, chances, threshold)
        given: Any = [{"text": text, "no_answer": odd} for text, odd in zip(answers, odds, strict=True)]
        mine = squad.Squad2Scores(keep_in_memory=True).compute(predictions=given, references=golds, threshold=threshold)
        yield from ((mine[name], value) for name, value in theirs.items())


def against_squad_1(_: Path) -> Iterator[tuple[float, float]]:
    """Exact match and F1."""
    from torchmetrics.functional.text import squad as official

    for seed in range(CASES):
        answers, _odds, golds = questions(random.Random(seed))
        # of answers of which nothing is left torchmetrics thinks as 2.0 does
        golds = [[gold for gold in found if squad.normalized(gold)] or ["x"] for found in golds]
        answers = [answer if squad.normalized(answer) else "y" for answer in answers]
        found = official(
            [{"prediction_text": answer, "id": str(i)} for i, answer in enumerate(answers)],
            [
                {"answers": {"answer_start": [0] * len(texts), "text": texts}, "id": str(i)}
                for i, texts in enumerate(golds)
            ],
        )
        mine = squad.SquadScores(keep_in_memory=True).compute(predictions=answers, references=golds)
        yield from ((mine[name], float(value)) for name, value in found.items())


def against_conlleval(_: Path) -> Iterator[tuple[float, float]]:
    """Precision, recall and F1 of entities, and the accuracy of tags."""
    import conlleval

    for seed in range(CASES):
        rng = random.Random(seed)
        gold = [rng.choices(TAGS, k=rng.randint(1, 12)) for _ in range(rng.randint(1, 30))]
        predicted = [[tag if rng.random() < 0.8 else rng.choice(TAGS) for tag in tags] for tags in gold]
        lines = [
            line
            for tags, found in zip(gold, predicted, strict=True)
            for line in [*(f"w {a} {b}" for a, b in zip(tags, found, strict=True)), ""]
        ]
        official, theirs_names = conlleval.evaluate(lines)["overall"], ("prec", "rec", "f1")
        mine = tagging.compute(predicted, gold, plain=False)
        if not official["chunks"]["stats"]["pred"]:
            continue  # the script in Perl has a precision of 0 there, as nlpkit has, that in Python one of 1
        theirs = official["chunks"]["evals"]
        yield from ((mine[name], theirs[key]) for name, key in zip(tagging.SUFFIXES, theirs_names, strict=True))
        yield mine["accuracy"], official["tags"]["evals"]["f1"]


CLIENTS = {
    "SQuAD 2.0, transformers 4.57": against_squad_2,
    "SQuAD 1.1, torchmetrics 1.9": against_squad_1,
    "conlleval 0.2": against_conlleval,
}


def main() -> None:
    """Compare and print."""
    folder = Path(sys.argv[1])
    sys.path.append(str(folder))
    for name, pairs in CLIENTS.items():
        differences = [abs(mine - theirs) for mine, theirs in pairs(folder)]
        print(f"{name:<30} {len(differences):>6,} figures  largest difference {max(differences):.1g}")


if __name__ == "__main__":
    main()
