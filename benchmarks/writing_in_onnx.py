"""Tokens a second of a GPT-2 that writes: torch with its cache, ONNX Runtime in int8 with the cache, and the same graph
reading all of the text again for each token, as a graph without a cache has to.

Weights are random, so nothing is fetched: time hangs on shapes alone. All sides write the same number of tokens behind
the same prompt, by turns in one process.

    python benchmarks/writing_in_onnx.py --layers 12 --width 768 --prompt 64 --tokens 24 --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from nlpkit.generation import loop
from nlpkit.models import onnx
from nlpkit.quantization import export, int8, writers


def written(model: Any, ids: torch.Tensor, count: int, *, remembers: bool = True) -> list[int]:
    """The likeliest tokens behind a prompt."""
    tokens: list[int] = []
    if not remembers:
        for _ in range(count):
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)["logits"]
            tokens.append(int(logits[0, -1].argmax()))
            ids = torch.cat([ids, torch.tensor([tokens[-1:]])], 1)
        return tokens
    steps = loop.begun(model, ids, torch.ones_like(ids))
    for _ in range(count):
        chosen = steps.logits().argmax(-1)
        tokens.append(int(chosen))
        steps.add(chosen)
    return tokens


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--prompt", type=int, default=64, help="tokens of the prompt")
    parser.add_argument("--tokens", type=int, default=24, help="that are written behind it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(asked.threads)
    config = GPT2Config(n_layer=asked.layers, n_embd=asked.width, n_head=asked.width // 64)
    model = GPT2LMHeadModel(config).eval()
    ids = torch.randint(0, config.vocab_size, (1, asked.prompt))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        made = writers.decoder_alone(model)
        export.finish(made, model, fused=False)
        whole = onnx.opened(export.save_all({"whole": made}, Path(folder)), config)
        scheme = int8.Scheme(reduce_range=int8.needs_reduced_range())
        small = onnx.opened(export.save_all({"small": int8.dynamic(made, scheme)}, Path(folder)), config)
        sides = {
            "torch fp32": lambda: written(model, ids, asked.tokens),
            "onnx fp32": lambda: written(whole, ids, asked.tokens),
            "onnx int8": lambda: written(small, ids, asked.tokens),
            "onnx int8 without cache": lambda: written(small, ids, asked.tokens, remembers=False),
        }
        same = sides["torch fp32"]() == sides["onnx fp32"]()
        print(f"{model.num_parameters() / 1e6:.1f} M parameters; fp32 writes the tokens of torch: {same}")
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(asked.rounds):
            for name, write in sides.items():
                start = time.perf_counter()
                write()
                seconds[name].append(time.perf_counter() - start)
        for name, times in seconds.items():
            ratios = sorted(first / own for first, own in zip(seconds["torch fp32"], times, strict=True))
            rate = asked.tokens / statistics.median(times)
            print(f"{name}: {rate:.1f} tokens/s, {statistics.median(ratios):.2f} times torch "
                  f"({ratios[0]:.2f} to {ratios[-1]:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
