"""Products of linear layers by oneDNN (side a) and by torch's own library (side b), by turns in one process.

A model reads batches of texts that are sorted by length: once to answer, and once with its gradients. Times are CPU
time of the process, so that other work on the machine counts less; more threads than one wait for each other in it.
Whether nlpkit takes oneDNN on this machine is said first; both sides are measured wherever torch has it.

Example: python benchmarks/products.py texts.txt --model minilm --rounds 5
"""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from nlpkit.hardware import products
from nlpkit.models import opening


def batches(tokenizer: Any, texts: list[str], tokens: int) -> list[Any]:
    """Texts by length, as many per batch as make so many tokens with padding."""
    longest = int(min(tokenizer.model_max_length, 512))
    found: list[Any] = []
    batch: list[str] = []
    for text in sorted(texts, key=lambda text: len(tokenizer(text)["input_ids"])):
        length = min(len(tokenizer(text)["input_ids"]), longest)
        if batch and (len(batch) + 1) * length > tokens:
            found.append(tokenizer(batch, truncation=True, max_length=longest, padding=True, return_tensors="pt"))
            batch = []
        batch.append(text)
    found.append(tokenizer(batch, truncation=True, max_length=longest, padding=True, return_tensors="pt"))
    return found


def answer(model: Any, given: list[Any]) -> torch.Tensor:
    """Hidden states of all batches, end to end."""
    with torch.inference_mode():
        return torch.cat([model(**batch).last_hidden_state.flatten() for batch in given])


def learn(model: Any, given: list[Any]) -> torch.Tensor:
    """Gradients of the mean hidden states' squares, summed over batches."""
    model.zero_grad()
    for batch in given:
        model(**batch).last_hidden_state.mean(1).square().sum().backward()
    return torch.cat([part.grad.flatten() for part in model.parameters() if part.grad is not None])


def seconds(function: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    """Of one call, and what it gave."""
    start = time.process_time()
    made = function()
    return time.process_time() - start, made


def main() -> None:
    """Measure, and print a line per kind of work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", help="file with one text per line")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=1_024, help="per batch, with padding")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"nlpkit takes oneDNN here: {'yes' if products.is_faster() else 'no'}")
    place = opening.resolve(options.model)
    tokenizer = opening.load_tokenizer(place)
    plain = transformers.AutoModel.from_pretrained(place, local_files_only=True).eval()
    fast = copy.deepcopy(plain)
    products.use_faster(fast, always=True)
    texts = Path(options.texts).read_text(encoding="utf-8").splitlines()[: options.rows]
    given = batches(tokenizer, texts, options.tokens)
    for name, work in (("answers", answer), ("gradients", learn)):
        ratios = []
        for _ in range(options.rounds + 1):
            a, of_fast = seconds(functools.partial(work, fast, given))
            b, of_plain = seconds(functools.partial(work, plain, given))
            ratios.append(b / a)
        ratios = ratios[1:]  # the first round of each side loads kernels
        away = float((of_fast - of_plain).norm() / of_plain.norm())
        print(
            f"{name}: {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{len(texts) / a:.0f} texts per second; relative difference {away:.1e}"
        )


if __name__ == "__main__":
    main()
