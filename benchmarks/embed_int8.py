"""Vectors of an exported graph (`quantize`) against torch in float32, by turns in one process.

Both are called as nlpkit calls them, in batches of several sizes, of texts that are sorted by length and tokenized
before. Times are CPU time of the process, so that other work on the machine counts less.

Example: python benchmarks/embed_int8.py texts.txt --model minilm --exported runs/minilm-int8 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

TASK = "sentence-embedding"


def opened(model: str, threads: int) -> Any:
    """The predictor of an embedder."""
    from nlpkit.inference.predictor import TrainedModelOptions, open_predictor

    return open_predictor(TrainedModelOptions(model=model, task=TASK, device="cpu", threads=threads))


def batches(predictor: Any, texts: list[str], size: int) -> list[Any]:
    """What the model is given."""
    from nlpkit.tasks import features

    rows = features.inputs(predictor.task, predictor.tokenizer, {"text": texts})
    collate = predictor.task.collate(predictor.tokenizer)
    return [collate(rows[start : start + size]) for start in range(0, len(rows), size)]


def seconds(predictor: Any, given: list[Any]) -> float:
    """CPU time of one pass."""
    import torch

    start = time.process_time()
    with torch.inference_mode():
        for batch in given:
            predictor.task.run(predictor.model, batch)
    return time.process_time() - start


def main() -> None:
    """Print a line for each size of batches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", help="file with a text in each line")
    parser.add_argument("--model", default="minilm", help="model in torch")
    parser.add_argument("--exported", required=True, help="folder of the same, exported")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 8, 32], help="texts in a batch")
    options = parser.parse_args()
    texts = sorted(Path(options.texts).read_text(encoding="utf-8").splitlines(), key=len)
    pair = [opened(model, options.threads) for model in (options.model, options.exported)]
    for size in options.sizes:
        given = [batches(predictor, texts, size) for predictor in pair]
        for predictor, some in zip(pair, given, strict=True):
            seconds(predictor, some[:2])
        rounds = [[seconds(*side) for side in zip(pair, given, strict=True)] for _ in range(options.rounds)]
        ratios = [torch_side / exported for torch_side, exported in rounds]
        rates = [len(texts) / statistics.median(side) for side in zip(*rounds, strict=True)]
        print(
            f"batches of {size}: torch {rates[0]:,.0f} texts/s, exported {rates[1]:,.0f}: "
            f"{statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
