"""Training speed of `nlpkit finetune-cls` beside the usual ways to do the same, on the same model and data.

Each side trains in a fresh process, so that memory, threads and imports do not leak from one to the next; the sides
take turns, round after round, and ratios are taken within a round. See benchmarks/README.md for what each side is.

Example: python benchmarks/finetune_cls.py --data DATA/sst2 --rows 1500 --rounds 3
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sides

SIDES = {
    "a": "nlpkit",
    "b": "Trainer, DataCollatorWithPadding",
    "c": "Trainer, padded to 128",
    "d": "simpletransformers",
    "e": "bare loop over the batches of a",
    "f": "Trainer, group_by_length",
}
# A row padded to 128 costs the same wherever it stands, so these sides need fewer rows for a stable rate.
FIXED_LENGTH = ("c", "d")
FIXED_LENGTH_ROWS = 192
PADDED = 128


# --- one side, in its own process; `spec` is what the parent wrote ---


def read_rows(spec: dict[str, Any], split: str) -> list[dict[str, Any]]:
    """The rows of a split as the parent wrote them."""
    lines = (Path(spec["folder"]) / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def built_trainer(spec: dict[str, Any], watch: sides.Stopwatch) -> Any:
    """The Trainer that `nlpkit finetune-cls` would run; loading and tokenizing are measured apart."""
    from nlpkit.models import opening
    from nlpkit.recipes import finetune_cls
    from nlpkit.tasks import features

    opening.load_model = watch.wrap("load", opening.load_model)
    features.featurize = watch.wrap("tokenize", features.featurize)
    return finetune_cls.build(
        finetune_cls.Config(
            data=spec["folder"],
            model=spec["model"],
            output=Path("run"),
            device="cpu",
            epochs=spec["epochs"],
            batch_size=spec["batch_size"],
            learning_rate=spec["learning_rate"],
            warmup=0,
            seed=spec["seed"],
        )
    )


def run_nlpkit(spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Side a."""
    trainer = built_trainer(spec, watch)
    seen: list[Any] = []
    step = trainer.training_step

    def recorded(model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        seen.append(inputs["input_ids"])
        return step(model, inputs, *arguments, **keywords)

    trainer.training_step = recorded
    trainer.add_callback(sides.epoch_clock(watch))
    with watch.measure("whole"):
        trainer.train()
    # trainer.train() ends with the best checkpoint; the others end with the last, so the last is compared
    history = [entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry]
    return {
        "rows": spec["epochs"] * len(trainer.splits["train"].features),
        "accuracy": history[-1],
        "best_accuracy": max(history),
        "batches": [int(ids.sum()) for ids in seen],
    }


def run_bare(spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Side e: the batches are collated before the clock starts; the model is the stock one."""
    import torch
    from transformers import AutoModelForSequenceClassification, get_linear_schedule_with_warmup, set_seed

    trainer = built_trainer(spec, watch)
    loader = trainer.get_train_dataloader()
    batches = []
    for epoch in range(spec["epochs"]):
        trainer.sampler.set_epoch(epoch)
        batches += list(loader)
    set_seed(spec["seed"])
    model = AutoModelForSequenceClassification.from_pretrained(spec["model"], num_labels=spec["classes"])
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=spec["learning_rate"], weight_decay=0.0, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    model.train()
    with watch.measure("train"):
        for batch in batches:
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return {
        "rows": spec["epochs"] * len(trainer.splits["train"].features),
        "accuracy": accuracy(model, trainer.processing_class, spec),
        "batches": [int(batch["input_ids"].sum()) for batch in batches],
    }


def run_trainer(spec: dict[str, Any], watch: sides.Stopwatch, kind: str) -> dict[str, Any]:
    """Sides b, c and f."""
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        default_data_collator,
        set_seed,
    )

    rows = Dataset.from_list(read_rows(spec, "train"))
    tokenizer = AutoTokenizer.from_pretrained(spec["model"])
    fixed = {"padding": "max_length", "max_length": PADDED} if kind == "c" else {}

    def tokenize(examples: dict[str, Any]) -> Any:
        return tokenizer(examples["text"], truncation=True, **fixed)

    with watch.measure("tokenize"):
        rows = rows.map(tokenize, batched=True)
    set_seed(spec["seed"])
    with watch.measure("load"):
        model = AutoModelForSequenceClassification.from_pretrained(spec["model"], num_labels=spec["classes"])
    arguments = TrainingArguments(
        output_dir="run",
        learning_rate=spec["learning_rate"],
        per_device_train_batch_size=spec["batch_size"],
        num_train_epochs=spec["epochs"],
        seed=spec["seed"],
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        **({"train_sampling_strategy": "group_by_length"} if kind == "f" else {}),
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=default_data_collator if kind == "c" else DataCollatorWithPadding(tokenizer=tokenizer),
        callbacks=[sides.epoch_clock(watch)],
    )
    with watch.measure("whole"):
        trainer.train()
    return {"rows": spec["epochs"] * len(rows), "accuracy": accuracy(model, tokenizer, spec)}


def run_simpletransformers(spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Side d, with its own defaults but for what all sides share, and without saving and worker pools."""
    import pandas
    from simpletransformers.classification import ClassificationModel
    from transformers import AutoConfig

    rows = read_rows(spec, "train")
    frame = pandas.DataFrame({"text": [r["text"] for r in rows], "labels": [r["label"] for r in rows]})
    with watch.measure("load"):
        model = ClassificationModel(
            AutoConfig.from_pretrained(spec["model"]).model_type,
            spec["model"],
            num_labels=spec["classes"],
            use_cuda=False,
            args={
                "learning_rate": spec["learning_rate"],
                "train_batch_size": spec["batch_size"],
                "num_train_epochs": spec["epochs"],
                "manual_seed": spec["seed"],
                "warmup_ratio": 0.0,
                "no_save": True,
                "no_cache": True,
                "save_model_every_epoch": False,
                "save_steps": -1,
                "use_multiprocessing": False,
                "silent": True,
                "output_dir": "run",
                "tensorboard_dir": "board",
            },
        )
    # train_model() tokenizes and then calls train(): only the latter is training
    model.train = watch.wrap("train", model.train)
    with watch.measure("whole"):
        model.train_model(frame)
    watch.seconds["tokenize"] = watch.seconds["whole"] - watch.seconds["train"]
    return {"rows": spec["epochs"] * len(rows), "accuracy": accuracy(model.model, model.tokenizer, spec)}


def accuracy(model: Any, tokenizer: Any, spec: dict[str, Any]) -> float | None:
    """Share of validation rows that the model gets right, None when it was not asked for."""
    if not spec["accuracy"]:
        return None
    import torch

    rows = sorted(read_rows(spec, "validation"), key=lambda row: len(row["text"]))
    model.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            batch = rows[start : start + 64]
            inputs = tokenizer([row["text"] for row in batch], truncation=True, padding=True, return_tensors="pt")
            answers = model(**inputs).logits.argmax(dim=-1).tolist()
            right += sum(answer == row["label"] for answer, row in zip(answers, batch, strict=True))
    return right / len(rows)


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    watch = sides.Stopwatch()
    side = spec["side"]
    with watch.measure("imports"):
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer  # noqa: F401
    run: dict[str, Callable[[], dict[str, Any]]] = {
        "a": lambda: run_nlpkit(spec, watch),
        "d": lambda: run_simpletransformers(spec, watch),
        "e": lambda: run_bare(spec, watch),
    }
    result = run.get(side, lambda: run_trainer(spec, watch, side))()
    versions = {}
    for name in ("torch", "transformers", "nlpkit", "simpletransformers"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    rate = result["rows"] / watch.seconds["train"]
    return {
        **result,
        "side": side,
        "rate": rate,
        "seconds": watch.seconds,
        "threads": torch.get_num_threads(),
        "versions": versions,
    }


# --- the parent ---


def load_split(folder: Path, split: str) -> Any:
    """A data frame with text and label of one split of the data folder."""
    import pandas

    for path in (folder / f"{split}.parquet", folder / f"{split}.csv"):
        if path.exists():
            frame = pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)
            if not {"text", "label"} <= set(frame.columns):
                sys.exit(f"{path}: needs the columns text and label, has {', '.join(frame.columns)}")
            return frame[["text", "label"]]
    sys.exit(f"{folder}: there is no {split}.parquet or {split}.csv")


def write_data(options: argparse.Namespace, target: Path) -> int:
    """Write the rows that the sides read, in `target/all` and `target/few`; returns the number of classes."""
    train, validation = (load_split(options.data, split) for split in ("train", "validation"))
    if not options.accuracy:  # evaluation is not timed: keep it short
        validation = validation.sample(min(len(validation), 64), random_state=0)
    ids = {label: i for i, label in enumerate(sorted(train["label"].unique()))}
    if options.rows:
        train = train.sample(min(options.rows, len(train)), random_state=0)
    few = train if options.accuracy else train.head(options.fixed_length_rows)
    for name, rows in (("all", train), ("few", few)):
        (target / name).mkdir()
        for split, frame in (("train", rows), ("validation", validation)):
            with (target / name / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                for text, label in frame.itertuples(index=False):
                    file.write(json.dumps({"text": text, "label": ids[label]}) + "\n")
    return len(ids)


def run_child(options: argparse.Namespace, side: str, seed: int, folder: Path, classes: int) -> dict[str, Any]:
    """One side in a fresh process."""
    spec = {
        "side": side,
        "seed": seed,
        "folder": str(folder / ("few" if side in FIXED_LENGTH else "all")),
        "model": options.model_folder,
        "classes": classes,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "accuracy": options.accuracy,
    }
    begun = time.perf_counter()
    python = options.simpletransformers_python if side == "d" else sys.executable
    result = sides.start(__file__, spec, python=python)
    return {**result, "seed": seed, "process_seconds": time.perf_counter() - begun}


def report(results: sides.Runs, with_accuracy: bool) -> None:
    """Print rates, what was not timed, ratios and accuracies."""
    print(f"\n{'side':<36}{'training samples/s':>26}{'load s':>9}{'tokenize s':>12}")
    for side, runs in results.items():
        apart = [statistics.median(run["seconds"].get(name, 0.0) for run in runs) for name in ("load", "tokenize")]
        rate = sides.spread([run["rate"] for run in runs], 1)
        print(f"({side}) {SIDES[side]:<32}{rate:>26}{apart[0]:>9.2f}{apart[1]:>12.2f}")
    print("\nratios of training samples/s, median (min to max) of the rounds")
    for side, values in sides.ratios(results).items():
        print(f"  a / {side}  {sides.spread(values):<24} nlpkit to {SIDES[side]}")
    if {"a", "e"} <= set(results):
        same = all(a["batches"] == e["batches"] for a, e in zip(results["a"], results["e"], strict=True))
        print(f"  a and e saw {'the same batches' if same else 'DIFFERENT BATCHES: their ratio means nothing'}")
    if with_accuracy:
        print("\nvalidation accuracy after the last epoch, mean (min to max) of the seeds")
        for side, runs in results.items():
            found = [run["accuracy"] for run in runs]
            print(f"  ({side}) {statistics.mean(found):.4f} ({min(found):.4f} to {max(found):.4f})  {SIDES[side]}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with train and validation (.parquet or .csv): text, label")
    parser.add_argument("--model", default="minilm", help="folder or name of the model (default: minilm)")
    parser.add_argument("--sides", default="a,b,c,d,e,f", help="which of a to f (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="train on a sample of this many rows (default: all)")
    parser.add_argument(
        "--fixed-length-rows",
        type=int,
        default=FIXED_LENGTH_ROWS,
        help="rows for c and d, whose cost a row is constant (default: %(default)s; all of --rows with --accuracy)",
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--seeds", default="1,2,3", help="round i takes the i-th, in turn (default: %(default)s)")
    parser.add_argument("--accuracy", action="store_true", help="also judge the trained models on all of validation")
    parser.add_argument(
        "--simpletransformers-python", type=Path, help="python of an environment with simpletransformers (side d)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None and options.data is None:
        parser.error("--data is needed")
    options.sides = sides.chosen(parser, options.sides, SIDES)
    return options


def main() -> None:
    """Run the comparison."""
    options = parse()
    if options.child is not None:
        sides.answer(options.child, child)
        return
    from nlpkit.models import opening

    model = opening.resolve(options.model)
    options.model_folder = str(Path(model).resolve()) if Path(model).is_dir() else model
    if "d" in options.sides and options.simpletransformers_python is None:
        print("(d) simpletransformers is left out: name its python with --simpletransformers-python")
        options.sides.remove("d")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found = sides.environment()
    results: sides.Runs = {side: [] for side in options.sides}
    with tempfile.TemporaryDirectory() as folder:
        classes = write_data(options, Path(folder))
        for number, side in sides.in_turns(options.sides, options.rounds):
            load = os.getloadavg()[0]
            result = run_child(options, side, seeds[number % len(seeds)], Path(folder), classes)
            results[side].append({**result, "round": number, "load_average": load})
            judged = f", accuracy {result['accuracy']:.4f}" if options.accuracy else ""
            print(
                f"round {number + 1} ({side}) {result['rate']:7.1f} samples/s, {result['rows']} rows, "
                f"{result['threads']} threads, load before {load:.1f}{judged}",
                flush=True,
            )
    report(results, options.accuracy)
    for side in options.sides:
        print(f"({side}) " + ", ".join(f"{name} {v}" for name, v in results[side][0]["versions"].items()))
    if options.json:
        document = {"environment": found, "options": vars(options), "results": results}
        sides.write_json(options.json, {**document, "ratios": sides.ratios(results)})


if __name__ == "__main__":
    main()
