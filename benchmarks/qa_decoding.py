"""From start and end logits to answers: nlpkit against the loop over examples of the Transformers example script.

Both sides get the same made-up logits for the same windows, these in a data set as each of them stores it, in turns:

a. what `evaluate` and `predict` do with a batch's logits (`reduce` and `collect`), with the windows of a question
   (`merge`) and with its answers (`decode`)
b. the loop that the question answering example of Transformers runs for each question: the `n_best` starts and ends by
   argsort, every pair of them that is a valid span, sorted, softmax over the best (written anew from its description)

Printed besides: the share of questions with the same answer. Where they differ, a weighs pairs that b never sees.

Example: python benchmarks/qa_decoding.py --questions 10000 --rounds 3
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import sides

N_BEST, LONGEST, BATCH = 20, 30, 64
FIRST = 16  # position of the first token of the context


def questions(count: int, tokens: int, windows: float, seed: int) -> dict[str, Any]:
    """Contexts, the windows that they are read in as each side stores them, and logits for these.

    A context is words of five letters. Logits are noise, and high around one place of the context, as those of a
    trained reader are.
    """
    from datasets import Dataset

    rng = np.random.default_rng(seed)
    room, shared = tokens - FIRST - 1, 128
    contexts, example, offsets = [], [], []
    for number in range(count):
        words = room + (room - shared if rng.random() < windows - 1 else 0)
        contexts.append("words " * words)
        starts = 6 * np.arange(words, dtype=np.int32)
        for begin in range(0, words - shared, room - shared):
            example.append(number)
            offsets.append(np.stack([starts[begin : begin + room], starts[begin : begin + room] + 5], axis=1))
    logits = rng.normal(scale=1.5, size=(len(example), tokens, 2)).astype(np.float32)
    middle = rng.integers(FIRST, tokens - 40, len(example))
    for k, place in enumerate((middle, middle + rng.integers(0, 5, len(example)))):
        logits[:, :, k] += 8 * np.exp(-np.abs(np.arange(tokens) - place[:, None]) / 4)
    # the script stores a pair for each token, none outside of the context
    pairs = [[None] * FIRST + found.tolist() + [None] * (tokens - FIRST - len(found)) for found in offsets]
    return {
        "logits": logits,
        "examples": Dataset.from_dict({"id": [str(i) for i in range(count)], "context": contexts}),
        "a": Dataset.from_dict({"example": example, "offsets": [found.reshape(-1) for found in offsets]}),
        "b": Dataset.from_dict({"example_id": [str(i) for i in example], "offset_mapping": pairs}),
        "sizes": np.array([len(found) for found in offsets]),
    }


def vectorised(made: dict[str, Any], threshold: float | None) -> list[tuple[str, float]]:
    """Side a: answer and score of each question."""
    import torch

    from nlpkit.tasks.features import Columns
    from nlpkit.tasks.forward import Forward
    from nlpkit.tasks.question_answering.task import QuestionAnswering

    task = QuestionAnswering(max_answer_length=LONGEST, null_threshold=threshold)
    collected = []
    for begin in range(0, len(made["logits"]), BATCH):
        logits = torch.from_numpy(made["logits"][begin : begin + BATCH])
        sizes = torch.from_numpy(made["sizes"][begin : begin + BATCH])
        passage = torch.stack([torch.full_like(sizes, FIRST), FIRST + sizes], dim=1)
        batch = {"passage": passage, "cls": torch.zeros(len(logits), dtype=torch.long)}
        collected.append(task.collect(task.reduce(Forward(batch, logits))))
    merged = task.merge(np.concatenate(collected), Columns(made["a"]))
    answers = task.decode(merged, [{"context": context} for context in made["examples"]["context"][:]])
    return [(answer["prediction"], answer["score"]) for answer in answers]


def looped(made: dict[str, Any], threshold: float | None) -> list[tuple[str, float]]:
    """Side b: the same by the loop."""
    examples, features = made["examples"], made["b"]
    number = {name: i for i, name in enumerate(examples["id"])}
    windows: dict[int, list[int]] = {}
    for window, feature in enumerate(features):
        windows.setdefault(number[feature["example_id"]], []).append(window)
    answers = []
    for i, example in enumerate(examples):
        candidates: list[dict[str, Any]] = []
        null = None
        for window in windows[i]:
            starts, ends = made["logits"][window, :, 0], made["logits"][window, :, 1]
            offsets = features[window]["offset_mapping"]
            score = starts[0] + ends[0]
            null = score if null is None or score < null else null
            best_starts = np.argsort(starts)[: -N_BEST - 1 : -1].tolist()
            best_ends = np.argsort(ends)[: -N_BEST - 1 : -1].tolist()
            for first in best_starts:
                for last in best_ends:
                    if offsets[first] is None or offsets[last] is None:
                        continue
                    if last < first or last - first + 1 > LONGEST:
                        continue
                    span = (offsets[first][0], offsets[last][1])
                    candidates.append({"span": span, "score": starts[first] + ends[last]})
        candidates = sorted(candidates, key=lambda found: found["score"], reverse=True)[:N_BEST]
        if threshold is not None:
            candidates.append({"span": (0, 0), "score": null})
        for found in candidates:
            found["text"] = example["context"][slice(*found["span"])]
        scores = np.array([found["score"] for found in candidates] or [0.0])
        weights = np.exp(scores - scores.max())
        refused = threshold is not None and candidates[-1]["score"] - candidates[0]["score"] > threshold
        text = "" if refused or not candidates else candidates[0]["text"]
        answers.append((text, float(weights[-1 if refused else 0] / weights.sum())))
    return answers


def main() -> None:
    """Run both sides in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=384, help="of a window (default: %(default)s)")
    parser.add_argument("--windows", type=float, default=1.05, help="a question, on average (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: %(default)s)")
    parser.add_argument("--squad2", action="store_true", help="with no answer among the answers")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    found = sides.environment("torch", "numpy")
    made = questions(options.questions, options.tokens, options.windows, seed=0)
    threshold = 0.0 if options.squad2 else None
    vectorised(questions(BATCH, options.tokens, 1.0, seed=1), threshold)  # imports
    taken: dict[str, list[float]] = {"a": [], "b": []}
    answers: dict[str, list[tuple[str, float]]] = {}
    for number, side in sides.in_turns(list(taken), options.rounds):
        start = time.perf_counter()
        answers[side] = (vectorised if side == "a" else looped)(made, threshold)
        taken[side].append(time.perf_counter() - start)
        print(f"round {number + 1}, side {side}: {taken[side][-1]:.2f} s", flush=True)
    rates = [b / a for a, b in zip(taken["a"], taken["b"], strict=True)]
    print(f"a, nlpkit           {sides.spread(taken['a'])} s for {options.questions:,} questions")
    print(f"b, loop             {sides.spread(taken['b'])} s")
    print(f"ratio               {sides.spread(rates, 1)}, aim 5 at least")
    same = np.mean([mine[0] == other[0] for mine, other in zip(answers["a"], answers["b"], strict=True)])
    print(f"the same answer     {same:.1%} of the questions")
    if options.json:
        sides.write_json(options.json, {"environment": found, "seconds": taken, "ratio": rates})


if __name__ == "__main__":
    main()
