"""Training speed of `nlpkit distill` with the teacher's logits kept, beside running the teacher in every step.

The sides take turns in fresh processes, each with an empty cache, and ratios are taken within a round. The time of side
a holds that of computing and writing the logits. See benchmarks/README.md.

Example: python benchmarks/distill.py runs/trec-mpnet --student minilm --data TREC --epochs 5
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import sides

SIDES = {"a": "logits computed once and kept", "b": "teacher in every step"}


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    import torch

    from nlpkit.distillation import teacher_cache
    from nlpkit.recipes import distill

    watch = sides.Stopwatch()
    teacher_cache.teacher_logits = watch.wrap("teacher", teacher_cache.teacher_logits)
    trainer = distill.build(
        distill.Config(
            teacher=spec["teacher"],
            student=spec["student"],
            student_layers=spec["student_layers"],
            data=spec["data"],
            output=Path("run"),
            device="cpu",
            cache_teacher=spec["side"] == "a",
            max_train_samples=spec["rows"],
            max_eval_samples=spec["batch_size"],
            epochs=spec["epochs"],
            batch_size=spec["batch_size"],
            learning_rate=1e-4,
            seed=spec["seed"],
        )
    )
    trainer.add_callback(sides.epoch_clock(watch))
    trainer.train()
    rows = len(trainer.splits["train"].examples)
    return {
        "side": spec["side"],
        "rate": spec["epochs"] * rows / sum(watch.seconds.values()),
        "rows": rows,
        "steps": trainer.state.global_step,
        "loss": trainer.state.log_history[-1].get("train_loss"),
        "seconds": watch.seconds,
        "threads": torch.get_num_threads(),
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", nargs="?", help="run folder")
    parser.add_argument("--data", type=Path, help="folder, as nlpkit reads it")
    parser.add_argument("--student", help="folder or name of a model (default: layers of the teacher)")
    parser.add_argument("--student-layers", default="3", help="of the teacher (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=400, help="of train (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None and (options.teacher is None or options.data is None):
        parser.error("the teacher and --data are needed")
    return options


def main() -> None:
    """Run the comparison."""
    options = parse()
    if options.child is not None:
        sides.answer(options.child, child)
        return
    from nlpkit.models import opening

    spec = {name: getattr(options, name) for name in ("rows", "batch_size", "epochs")}
    spec |= {"teacher": str(Path(options.teacher).resolve()), "data": str(options.data.resolve())}
    spec |= {"student": options.student and opening.resolve(options.student), "student_layers": None}
    if not options.student:
        spec["student_layers"] = options.student_layers
    found = sides.environment("torch", "transformers")
    results: sides.Runs = {side: [] for side in SIDES}
    for number, side in sides.in_turns(list(SIDES), options.rounds):
        result = sides.start(__file__, {**spec, "side": side, "seed": 1 + number})
        results[side].append(result)
        seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result["seconds"].items())
        print(f"round {number + 1} ({side}) {result['rate']:.1f} rows/s ({seconds})", flush=True)
    print(f"\nrows of train a second over {options.epochs} epochs, median (min to max) of the rounds")
    for side, runs in results.items():
        print(f"  ({side}) {sides.spread([run['rate'] for run in runs], 1):<28}{SIDES[side]}")
    found_ratios = sides.ratios(results)
    print(f"  a / b  {sides.spread(found_ratios['b'])}")
    if options.json:
        sides.write_json(options.json, {"environment": found, "results": results, "ratios": found_ratios, **spec})


if __name__ == "__main__":
    main()
