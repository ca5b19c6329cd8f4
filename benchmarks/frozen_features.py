"""An epoch of `finetune-cls --freeze` whose frozen part has computed its features once, beside one where it runs.

Both sides train the same weights on the same rows in the same order, without dropout, so that their losses and weights
must be the same; that is checked. They take turns in fresh processes, each with an empty cache, and the ratio is taken
within a round: of an epoch after the first. What the one pass over the rows costs that computes the features stands
beside it. On a machine that does much else, --cpu-seconds counts what the process computes, and not what it waits.

Example: python benchmarks/frozen_features.py --data DATA/sst2 --rows 1000 --rounds 3 --freeze 4
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import sides

SIDES = {"a": "features once", "b": "the frozen part runs in each epoch"}
CLOSE = 1e-4  # of a loss, and of the largest trained weight: rounding adds up over the steps


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    import torch
    from transformers import TrainerCallback

    from nlpkit.experiment import finetune
    from nlpkit.recipes import finetune_cls
    from nlpkit.tasks.text_classification.task import TextClassification
    from nlpkit.training import frozen, frozen_layers

    if spec["side"] == "b":
        frozen.read_by_head = frozen_layers.shapes_below = lambda *_: None
    clock = time.process_time if spec["cpu_seconds"] else time.perf_counter
    epochs: list[float] = []

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            self.start = clock()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            epochs.append(clock() - self.start)

    config = finetune_cls.Config(
        data=spec["data"],
        model=spec["model"],
        output=Path("run"),
        device="cpu",
        freeze=spec["freeze"],
        dropout=0.0,
        epochs=spec["epochs"],
        batch_size=spec["batch_size"],
        max_train_samples=spec["rows"],
        max_eval_samples=64,
        learning_rate=1e-3 if spec["freeze"] == "encoder" else 1e-4,
    )
    experiment = finetune.prepare(config, "finetune-cls", TextClassification)
    started = clock()
    experiment.before_training()
    features = clock() - started
    trainer = experiment.trainer
    trainer.add_callback(Clock())
    trainer.train()
    history = trainer.state.log_history
    return {
        "side": spec["side"],
        "rate": len(epochs[1:]) / sum(epochs[1:]),
        "features": features,
        "losses": [entry["eval_loss"] for entry in history if "eval_loss" in entry],
        "head": torch.cat([p.detach().flatten() for p in trainer.model.parameters() if p.requires_grad]).tolist(),
        "threads": torch.get_num_threads(),
    }


def furthest(first: list[float], second: list[float]) -> float:
    """The largest difference between two lists of numbers."""
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def main() -> None:
    """Run both sides by turns, and print what an epoch costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with the splits train and validation")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--freeze", default="encoder", help="as of `finetune-cls`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu-seconds", action="store_true", help="of the process, in place of those on the clock")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sides.answer(options.child, child)
        return
    if options.data is None:
        parser.error("--data is missing")
    found = sides.environment("torch", "transformers")
    spec = {name: getattr(options, name) for name in ("model", "rows", "epochs", "batch_size", "freeze", "cpu_seconds")}
    spec["data"] = str(Path(options.data).resolve())
    results: sides.Runs = {side: [] for side in SIDES}
    for number, side in sides.in_turns(list(SIDES), options.rounds):
        results[side].append(sides.start(__file__, {**spec, "side": side}))
        print(f"round {number + 1}: {SIDES[side]}: {1 / results[side][-1]['rate']:.2f} s an epoch", flush=True)
    for side, name in SIDES.items():
        print(f"({side}) {name:<36}{sides.spread([1 / run['rate'] for run in results[side]])} s an epoch")
    print(f"features of all rows, once: {statistics.median(run['features'] for run in results['a']):.2f} s")
    print(f"epochs, a / b: {sides.spread(sides.ratios(results)['b'], 1)} times as many in the same time")
    for a, b in zip(results["a"], results["b"], strict=True):
        apart = max(furthest(a["losses"], b["losses"]), furthest(a["head"], b["head"]))
        if apart > CLOSE:
            sys.exit(f"the sides differ by {apart:g} in a loss or a weight: their ratio means nothing")
    print(f"losses and weights of both are the same to {CLOSE:g}")
    if options.json:
        sides.write_json(options.json, {"environment": found, "options": spec, "results": results})


if __name__ == "__main__":
    main()
