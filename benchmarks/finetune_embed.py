"""Training speed of `nlpkit finetune-embed` beside the Trainer of sentence-transformers, on the same rows and loss.

Each side trains in a fresh process; the sides take turns, round after round, and ratios are taken within a round. See
benchmarks/README.md for what each side is.

Example: python benchmarks/finetune_embed.py --data DATA/stsb --rows 1500 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import sides

SIDES = {
    "a": "nlpkit",
    "b": "SentenceTransformerTrainer, as documented",
    "c": "SentenceTransformerTrainer, group_by_length",
}
LOSSES = ("cosent", "multiple-negatives-ranking")
SCORED = ("sentence1", "sentence2", "score")
PAIRED = ("anchor", "positive")
MAX_LENGTH = 256
AT_ONCE = 64


# --- one side, in its own process; `spec` is what the parent wrote ---


def rows_of(spec: dict[str, Any], split: str) -> list[dict[str, Any]]:
    """The rows of a split as the parent wrote them."""
    lines = (Path(spec["folder"]) / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def run_nlpkit(spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Side a."""
    from nlpkit.recipes import finetune_embed

    folder = Path(spec["folder"])
    trainer = finetune_embed.build(
        finetune_embed.Config(
            train_file=[str(folder / "train.jsonl")],
            validation_file=[str(folder / "validation.jsonl")],
            model=spec["model"],
            output=Path("run"),
            device="cpu",
            loss=spec["loss"],
            max_length=MAX_LENGTH,
            epochs=spec["epochs"],
            batch_size=spec["batch_size"],
            learning_rate=spec["learning_rate"],
            warmup=0.1,
            seed=spec["seed"],
        )
    )
    trainer.add_callback(sides.epoch_clock(watch))
    trainer.train()
    return {
        "rows": spec["epochs"] * len(trainer.splits["train"].features),
        "spearman": spearman(trainer.model, trainer.processing_class, spec),
    }


def run_sentence_transformers(spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Sides b and c."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss, MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers

    rows = Dataset.from_list(rows_of(spec, "train"))
    model = SentenceTransformer(spec["model"], device="cpu")
    model.max_seq_length = MAX_LENGTH
    ranking = spec["loss"] == "multiple-negatives-ranking"
    order: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if spec["side"] == "c" else {}
    arguments = SentenceTransformerTrainingArguments(
        output_dir="run",
        learning_rate=spec["learning_rate"],
        per_device_train_batch_size=spec["batch_size"],
        num_train_epochs=spec["epochs"],
        warmup_steps=0.1,
        seed=spec["seed"],
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        batch_sampler=BatchSamplers.NO_DUPLICATES if ranking else BatchSamplers.BATCH_SAMPLER,
        **order,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        loss=(MultipleNegativesRankingLoss if ranking else CoSENTLoss)(model),
        callbacks=[sides.epoch_clock(watch)],
    )
    trainer.train()
    return {
        "rows": spec["epochs"] * len(rows),
        "spearman": spearman(model.transformers_model, model.tokenizer, spec),
    }


def spearman(model: Any, tokenizer: Any, spec: dict[str, Any]) -> float:
    """Rank correlation of the cosines of validation pairs with their scores: vectors are means over tokens."""
    import torch
    from scipy.stats import spearmanr

    rows = rows_of(spec, "validation")
    texts = [row[name] for name in SCORED[:2] for row in rows]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = torch.empty(len(texts), model.config.hidden_size)
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), AT_ONCE):
            chosen = order[start : start + AT_ONCE]
            batch = tokenizer(
                [texts[i] for i in chosen], padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
            )
            states, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
            vectors[chosen] = (states * mask).sum(1) / mask.sum(1)
    first, second = vectors.split(len(rows))
    cosines = torch.nn.functional.cosine_similarity(first, second)
    return float(spearmanr(cosines.numpy(), [row[SCORED[2]] for row in rows]).statistic)


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    import torch

    watch = sides.Stopwatch()
    result = run_nlpkit(spec, watch) if spec["side"] == "a" else run_sentence_transformers(spec, watch)
    return {**result, "rate": result["rows"] / watch.seconds["train"], "threads": torch.get_num_threads()}


# --- the parent ---


def load(path: Path, columns: tuple[str, ...]) -> Any:
    """The columns of a .parquet or .csv file as a data frame."""
    import pandas

    if not path.exists():
        sys.exit(f"{path}: there is no such file")
    frame = pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)
    if missing := set(columns) - set(frame.columns):
        sys.exit(f"{path}: needs the columns {', '.join(columns)}; {', '.join(sorted(missing))} is missing")
    return frame[list(columns)]


def write_data(options: argparse.Namespace, target: Path) -> None:
    """Write the rows that the sides read; scores go from 0 to 1."""
    train, validation = (load(options.data / f"{split}.parquet", SCORED) for split in ("train", "validation"))
    for frame in (train, validation):
        frame["score"] /= max(float(frame["score"].max()), 1.0)
    if options.pairs:
        train = load(options.pairs, PAIRED)
    if options.rows:
        train = train.sample(min(options.rows, len(train)), random_state=0)
    for split, frame in (("train", train), ("validation", validation)):
        frame.to_json(target / f"{split}.jsonl", orient="records", lines=True)


def report(results: sides.Runs) -> None:
    """Print rates, ratios and the quality that was reached."""
    print(f"\n{'side':<48}{'training samples/s':>26}")
    for side, runs in results.items():
        print(f"({side}) {SIDES[side]:<44}{sides.spread([run['rate'] for run in runs], 1):>26}")
    print("\nratios of training samples/s, median (min to max) of the rounds")
    for side, values in sides.ratios(results).items():
        print(f"  a / {side}  {sides.spread(values):<24} nlpkit to {SIDES[side]}")
    print("\nSpearman on validation, mean (min to max) of the rounds")
    for side, runs in results.items():
        found = [run["spearman"] for run in runs]
        print(f"  ({side}) {statistics.mean(found):.4f} ({min(found):.4f} to {max(found):.4f})  {SIDES[side]}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder with train.parquet, validation.parquet: {', '.join(SCORED)}")
    parser.add_argument(
        "--pairs", type=Path, help=f"train on the pairs of this .csv or .parquet: {', '.join(PAIRED)} (default: --data)"
    )
    parser.add_argument("--model", default="minilm", help="folder or name of the model (default: minilm)")
    parser.add_argument("--sides", default="a,b", help="which of a to c (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="train on a sample of this many rows (default: all)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--seeds", default="1,2,3", help="round i takes the i-th, in turn (default: %(default)s)")
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

    place = opening.resolve(options.model)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found = sides.environment("torch", "transformers", "sentence-transformers")
    results: sides.Runs = {side: [] for side in options.sides}
    with tempfile.TemporaryDirectory() as folder:
        write_data(options, Path(folder))
        for number, side in sides.in_turns(options.sides, options.rounds):
            load_before = os.getloadavg()[0]
            spec = {
                "side": side,
                "seed": seeds[number % len(seeds)],
                "folder": folder,
                "model": str(Path(place).resolve()) if Path(place).is_dir() else place,
                "loss": LOSSES[bool(options.pairs)],
                "epochs": options.epochs,
                "batch_size": options.batch_size,
                "learning_rate": options.learning_rate,
            }
            result = sides.start(__file__, spec)
            results[side].append({**result, "round": number, "load_average": load_before})
            print(
                f"round {number + 1} ({side}) {result['rate']:7.1f} samples/s, {result['rows']} rows, "
                f"{result['threads']} threads, load before {load_before:.1f}, Spearman {result['spearman']:.4f}",
                flush=True,
            )
    report(results)
    if options.json:
        document = {"environment": found, "options": vars(options), "results": results}
        sides.write_json(options.json, {**document, "ratios": sides.ratios(results)})


if __name__ == "__main__":
    main()
