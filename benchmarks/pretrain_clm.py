"""Training speed of `nlpkit pretrain-clm` beside the stock Trainer: a GPT-2 from the same weights, on the same text.

Each side trains in a fresh process; the sides take turns, round after round, and ratios are taken within a round. All
models are judged by one function on the same tokens. See benchmarks/README.md for what each side is.

Example: python benchmarks/pretrain_clm.py --data train.txt.gz --validation validation.txt.gz --tokenizer runs/tokenizer
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import sides

from nlpkit.pretraining.decoders import DecoderOptions, DecoderSize, learning_rate, new_config

SIDES = {
    "a": "nlpkit",
    "b": "Trainer, as in the example script",
    "c": "nlpkit --arch nanochat --optimizer muon",
}
WEIGHT_DECAY, WARMUP = 0.1, 0.06
JUDGED_AT_ONCE = 4  # blocks


# --- one side, in its own process; `spec` is what the parent wrote ---


def text_of(path: str) -> str:
    """All of a text file, packed or not."""
    opened: Any = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return file.read()


def judge(model: Any, tokenizer: Any, spec: dict[str, Any]) -> float:
    """Mean loss in nats of the tokens of the validation text, in blocks; the first token of each is only read."""
    import torch

    ids = tokenizer(text_of(spec["validation"]))["input_ids"][: spec["judged"]]
    blocks = torch.tensor(ids[: len(ids) // spec["block"] * spec["block"]]).view(-1, spec["block"])
    training = model.training
    model.eval()
    with torch.no_grad():
        losses = [float(model(part, labels=part).loss) * len(part) for part in blocks.split(JUDGED_AT_ONCE)]
    model.train(training)
    return sum(losses) / len(blocks)


def trained(trainer: Any, tokenizer: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """Train all steps; time is that of the steps after the warm-up, without what judging takes.

    Fetching, collating and logging are part of it, checkpoints and evaluations of the Trainer's own are not.
    """
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.away = [0.0, 0.0]
            self.curve: list[dict[str, float]] = []

        def now(self) -> list[float]:
            """Wall and processor time of training."""
            return [time.perf_counter() - self.away[0], time.process_time() - self.away[1]]

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.begun = self.now()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_evaluate = control.should_save = False
            step = state.global_step
            if step == spec["warmup_steps"]:
                self.start = self.now()
            if step == spec["steps"]:
                self.end = self.now()
            if step == spec["steps"] or (spec["curve"] and step % spec["curve"] == 0):
                at = self.now()
                loss = judge(trainer.model, tokenizer, spec)
                seconds = [now - begun for now, begun in zip(at, self.begun, strict=True)]
                self.curve.append({"step": step, "seconds": seconds[0], "cpu_seconds": seconds[1], "loss": loss})
                self.away = [gone + now - then for gone, now, then in zip(self.away, self.now(), at, strict=True)]

    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    wall, cpu = (end - start for end, start in zip(clock.end, clock.start, strict=True))
    tokens = (spec["steps"] - spec["warmup_steps"]) * spec["batch_size"] * spec["block"]
    rates = {"rate": tokens / wall, "cpu_rate": tokens / cpu}
    return {**rates, "tokens": tokens, "seconds": wall, "curve": clock.curve, "loss": clock.curve[-1]["loss"]}


def run_nlpkit(spec: dict[str, Any], **model: Any) -> dict[str, Any]:
    """Sides a and c: the text is one document, as the stock side reads it."""
    from nlpkit.recipes import pretrain_clm

    config = pretrain_clm.Config(
        data=[spec["data"]],
        document_end="file",
        isolate_documents=False,
        output=Path("run"),
        device="cpu",
        max_length=spec["block"],
        max_steps=spec["steps"],
        batch_size=spec["batch_size"],
        weight_decay=WEIGHT_DECAY,
        warmup=WARMUP,
        eval_steps=10**9,
        seed=spec["seed"],
        **model,
    )
    trainer = pretrain_clm.build(config).trainer
    return trained(trainer, trainer.processing_class, spec)


def run_trainer(spec: dict[str, Any]) -> dict[str, Any]:
    """Side b: the data preparation of Transformers' run_clm example, and the Trainer's own optimizer."""
    from datasets import Dataset, disable_progress_bars
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        Trainer,
        TrainingArguments,
        default_data_collator,
        set_seed,
    )

    disable_progress_bars()
    block = spec["block"]
    tokenizer = AutoTokenizer.from_pretrained(spec["model"])
    rows = Dataset.from_dict({"text": text_of(spec["data"]).splitlines(keepends=True)})

    def group_texts(examples: dict[str, Any]) -> dict[str, Any]:
        joined = {key: [value for row in values for value in row] for key, values in examples.items()}
        total = len(joined["input_ids"]) // block * block
        cut = {key: [values[i : i + block] for i in range(0, total, block)] for key, values in joined.items()}
        return {**cut, "labels": cut["input_ids"].copy()}

    rows = rows.map(lambda examples: tokenizer(examples["text"]), batched=True, remove_columns=["text"])
    rows = rows.map(group_texts, batched=True)
    set_seed(spec["seed"])
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(spec["model"]),
        args=TrainingArguments(
            output_dir="run",
            max_steps=spec["steps"],
            per_device_train_batch_size=spec["batch_size"],
            learning_rate=spec["learning_rate"],
            weight_decay=WEIGHT_DECAY,
            warmup_steps=WARMUP,
            logging_steps=10,
            seed=spec["seed"],
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=default_data_collator,
    )
    return trained(trainer, tokenizer, spec)


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    import torch

    new = {"tokenizer": spec["model"], "arch": "nanochat", "size": spec["size"], "optimizer": "muon"}
    run: dict[str, Callable[[], dict[str, Any]]] = {
        "a": lambda: run_nlpkit(spec, model=spec["model"], learning_rate=spec["learning_rate"]),
        "b": lambda: run_trainer(spec),
        "c": lambda: run_nlpkit(spec, **new, learning_rate=spec["muon_rate"]),
    }
    versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "nlpkit")}
    return {**run[spec["side"]](), "threads": torch.get_num_threads(), "versions": versions}


# --- the parent ---


def write_model(options: argparse.Namespace, folder: Path) -> str:
    """Write the untrained GPT-2 that sides a and b open, with its tokenizer; returns what it is."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.set_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.tokenizer)
    model = transformers.GPT2LMHeadModel(new_config(DecoderOptions(size=options.size), tokenizer, options.block))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = model.config
    return (
        f"GPT-2 {options.size}, {config.n_layer} layers of {config.n_embd}, vocabulary {config.vocab_size:,}, "
        f"{model.num_parameters() / 1e6:.1f} M parameters, no dropout; blocks of {options.block}, "
        f"{options.batch_size} a step; learning rate {options.learning_rate:g}"
    )


def report(results: sides.Runs) -> None:
    """Print rates, losses and ratios; how long each side takes to the loss at which the stock Trainer ends."""
    print(f"\n{'side':<46}{'tokens/s':>26}{'tokens per CPU second':>26}{'validation loss':>26}")
    for side, runs in results.items():
        columns = [[run[name] for run in runs] for name in ("rate", "cpu_rate", "loss")]
        told = [sides.spread(values, digits) for values, digits in zip(columns, (0, 0, 3), strict=True)]
        print(f"({side}) {SIDES[side]:<42}" + "".join(f"{value:>26}" for value in told))
    for name, rate in (("tokens/s", "rate"), ("tokens per CPU second", "cpu_rate")):
        for side, values in sides.ratios(results, rate).items():
            print(f"  a / {side}  {sides.spread(values):<24} {name}, nlpkit to {SIDES[side]}")
    for side in [side for side in results if side != "b" and "b" in results]:
        for clock in ("seconds", "cpu_seconds"):
            pairs = zip(results[side], results["b"], strict=True)
            found = [(reached(mine["curve"], other["loss"], clock), other["curve"][-1][clock]) for mine, other in pairs]
            name = f"{clock.replace('_', ' ')} of (b) to its last loss, over those of ({side}) to the same"
            if any(mine is None for mine, _ in found):
                print(f"  {name}: ({side}) did not reach it in every round")
            else:
                print(f"  {name}: {sides.spread([other / mine for mine, other in found if mine])}")


def reached(curve: list[dict[str, float]], loss: float, clock: str) -> float | None:
    """When a side was first judged at most this loss; None: it never was."""
    return next((point[clock] for point in curve if point["loss"] <= loss), None)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FILE", help="text to train on; .txt or .txt.gz")
    parser.add_argument("--validation", type=Path, metavar="FILE", help="text to judge on; .txt or .txt.gz")
    parser.add_argument("--tokenizer", metavar="FOLDER", help="as `train-tokenizer --style gpt2` makes it")
    parser.add_argument("--size", choices=get_args(DecoderSize), default="mini", help="(default: %(default)s)")
    parser.add_argument("--sides", default="a,b", help="which of a to c (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="of a run, warm-up included (default: %(default)s)")
    parser.add_argument("--warmup-steps", type=int, default=2, help="not measured (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--block", type=int, default=1024, help="tokens of a row (default: the example script's 1,024)")
    parser.add_argument("--curve", type=int, default=0, metavar="N", help="judge every N steps, for the time to a loss")
    parser.add_argument("--judged", type=int, default=20_480, help="tokens of validation (default: 20,480)")
    parser.add_argument("--learning-rate", type=float, help="of a and b (default: nlpkit's for the width)")
    parser.add_argument("--muon-rate", type=float, default=2e-3, help="of c (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None and not (options.data and options.validation and options.tokenizer):
        parser.error("--data, --validation and --tokenizer are needed")
    options.sides = sides.chosen(parser, options.sides, SIDES)
    if not 0 < options.warmup_steps < options.steps:
        parser.error("--warmup-steps must be at least 1 and fewer than --steps")
    if options.learning_rate is None:
        options.learning_rate = learning_rate(DecoderOptions(size=options.size))
    return options


def main() -> None:
    """Run the comparison."""
    options = parse()
    if options.child is not None:
        sides.answer(options.child, child)
        return
    found = sides.environment()
    results: sides.Runs = {side: [] for side in options.sides}
    shared = ("block", "batch_size", "learning_rate", "muon_rate", "steps", "warmup_steps", "curve", "judged", "size")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{write_model(options, folder)}; {options.steps} steps")
        for number, side in sides.in_turns(options.sides, options.rounds):
            load = os.getloadavg()[0]
            spec = {
                **{name: getattr(options, name) for name in shared},
                **{name: str(getattr(options, name).resolve()) for name in ("data", "validation")},
                "side": side,
                "seed": number + 1,
                "model": str(folder),
            }
            result = sides.start(__file__, spec)
            results[side].append({**result, "round": number, "load_average": load})
            print(
                f"round {number + 1} ({side}) {result['rate']:9,.0f} tokens/s, {result['cpu_rate']:,.0f} per CPU "
                f"second, {result['tokens']:,} tokens in {result['seconds']:.1f} s, validation loss "
                f"{result['loss']:.3f}, {result['threads']} threads, load before {load:.1f}",
                flush=True,
            )
    report(results)
    versions = results[options.sides[0]][0]["versions"]
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))
    if options.json:
        document = {"environment": found, "options": vars(options), "results": results}
        sides.write_json(options.json, {**document, "ratios": sides.ratios(results)})


if __name__ == "__main__":
    main()
