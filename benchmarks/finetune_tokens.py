"""Training speed of `nlpkit finetune-ner` and `finetune-qa` beside the stock Trainer, on the same model and rows.

The sides take turns in fresh processes, and ratios are taken within a round. See benchmarks/README.md.

Examples: python benchmarks/finetune_tokens.py finetune-ner --data CONLL2000 --column chunk --rows 1500
python benchmarks/finetune_tokens.py finetune-qa --data SQUAD --rows 300 --judge
"""

from __future__ import annotations

import argparse
import importlib
import statistics
from pathlib import Path
from typing import Any

import sides

SIDES = {"a": "nlpkit", "b": "Trainer, preprocessing of its documentation"}
MAX_LENGTH, STRIDE = 384, 128  # of questions and contexts, as the documentation and the example script have them


# --- one side, in its own process; `spec` is what the parent wrote ---


def built(spec: dict[str, Any]) -> Any:
    """The Trainer that nlpkit would run; on side b it only gives the rows."""
    recipe = importlib.import_module(f"nlpkit.recipes.{spec['command'].replace('-', '_')}")
    return recipe.build(
        recipe.Config(
            data=spec["data"],
            model=spec["model"],
            output=Path("run"),
            device="cpu",
            max_train_samples=spec["rows"],
            max_eval_samples=spec["validation_rows"],
            epochs=spec["epochs"],
            batch_size=spec["batch_size"],
            learning_rate=spec["learning_rate"],
            warmup=0,
            seed=spec["seed"],
            **({"column": spec["column"]} if spec["column"] else {}),
        )
    )


def tagged_features(tokenizer: Any, rows: Any, labels: list[str]) -> tuple[Any, Any]:
    """Words to tokens, the first token of each labelled; rows are padded to the longest of a random batch."""
    from transformers import DataCollatorForTokenClassification

    ids = {name: i for i, name in enumerate(labels)}

    def prepare(examples: dict[str, Any]) -> Any:
        places = zip(examples["text"], examples["starts"], examples["ends"], strict=True)
        words = [[text[a:b] for a, b in zip(starts, ends, strict=True)] for text, starts, ends in places]
        encoded = tokenizer(words, truncation=True, is_split_into_words=True)
        encoded["labels"] = []
        for i, tags in enumerate(examples["tags"]):
            owners = encoded.word_ids(i)
            firsts = [o is not None and o != before for o, before in zip(owners, [None, *owners[:-1]], strict=True)]
            encoded["labels"].append([ids[tags[o]] if first else -100 for o, first in zip(owners, firsts, strict=True)])
        return encoded

    return rows.map(prepare, batched=True, remove_columns=rows.column_names), DataCollatorForTokenClassification(
        tokenizer
    )


def answered_features(tokenizer: Any, rows: Any) -> tuple[Any, Any]:
    """Windows of question and context, padded to the full length, with the tokens at both ends of the answer."""
    from transformers import default_data_collator

    def prepare(examples: dict[str, Any]) -> Any:
        encoded = tokenizer(
            examples["question"],
            examples["context"],
            max_length=MAX_LENGTH,
            stride=STRIDE,
            truncation="only_second",
            padding="max_length",
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        offsets, owners = encoded.pop("offset_mapping"), encoded.pop("overflow_to_sample_mapping")
        encoded["start_positions"], encoded["end_positions"] = [], []
        for i, (places, owner) in enumerate(zip(offsets, owners, strict=True)):
            start, end = examples["start"][owner], examples["end"][owner]
            context = [k for k, text in enumerate(encoded.sequence_ids(i)) if text == 1]
            first = last = 0
            if start >= 0 and places[context[0]][0] <= start and places[context[-1]][1] >= end:
                first = max(k for k in context if places[k][0] <= start)
                last = min(k for k in context if places[k][1] >= end)
            encoded["start_positions"].append(first)
            encoded["end_positions"].append(last)
        return encoded

    return rows.map(prepare, batched=True, remove_columns=rows.column_names), default_data_collator


def run_stock(spec: dict[str, Any], watch: sides.Stopwatch) -> tuple[Any, int]:
    """Side b: the trained Trainer, and the rows it was trained on."""
    import transformers
    from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

    prepared = built(spec)
    task, rows = prepared.task, prepared.splits["train"].examples
    tokenizer = AutoTokenizer.from_pretrained(spec["model"], model_max_length=512)
    del prepared
    with watch.measure("tokenize"):
        features, collator = (
            tagged_features(tokenizer, rows, task.labels)
            if spec["command"] == "finetune-ner"
            else answered_features(tokenizer, rows)
        )
    set_seed(spec["seed"])
    model = getattr(transformers, task.auto_class).from_pretrained(spec["model"], **task.model_arguments())
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir="stock",
            learning_rate=spec["learning_rate"],
            per_device_train_batch_size=spec["batch_size"],
            num_train_epochs=spec["epochs"],
            seed=spec["seed"],
            use_cpu=True,
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=features,
        processing_class=tokenizer,
        data_collator=collator,
        callbacks=[sides.epoch_clock(watch)],
    )
    trainer.train()
    return trainer, len(rows)


def run_nlpkit(spec: dict[str, Any], watch: sides.Stopwatch) -> tuple[Any, int]:
    """Side a."""
    with watch.measure("tokenize"):  # and everything else before the first step
        trainer = built(spec)
    trainer.add_callback(sides.epoch_clock(watch))
    trainer.train()
    return trainer, len(trainer.splits["train"].examples)


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    import torch

    watch = sides.Stopwatch()
    trainer, rows = (run_nlpkit if spec["side"] == "a" else run_stock)(spec, watch)
    result = {
        "side": spec["side"],
        "rate": spec["epochs"] * rows / watch.seconds["train"],
        "rows": rows,
        "steps": trainer.state.global_step,
        "seconds": watch.seconds,
        "threads": torch.get_num_threads(),
    }
    return {**result, "metrics": judged(trainer, spec)} if spec["judge"] else result


def judged(trainer: Any, spec: dict[str, Any]) -> dict[str, float]:
    """Validation metrics of the trained model, whoever trained it, as `nlpkit evaluate` finds them."""
    from nlpkit.recipes import evaluate

    trainer.model.save_pretrained("model")
    trainer.processing_class.save_pretrained("model")
    config = evaluate.Config(
        model="model",
        data=spec["data"],
        split="validation",
        max_eval_samples=spec["validation_rows"],
        device="cpu",
        **({"column": spec["column"]} if spec["column"] else {}),
    )
    return evaluate.run(config).record["metrics"]["validation"]


# --- the parent ---


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=("finetune-ner", "finetune-qa"))
    parser.add_argument("--data", type=Path, help="folder, as nlpkit reads it")
    parser.add_argument("--column", help="finetune-ner: pos, chunk or ner")
    parser.add_argument("--model", default="minilm", help="folder or name of the model (default: minilm)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=600, help="sentences or questions (default: %(default)s)")
    parser.add_argument("--validation-rows", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--judge", action="store_true", help="also measure the trained models on validation")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None and (options.command is None or options.data is None):
        parser.error("the command and --data are needed")
    return options


def main() -> None:
    """Run the comparison."""
    options = parse()
    if options.child is not None:
        sides.answer(options.child, child)
        return
    from nlpkit.models import opening

    names = ("command", "column", "rows", "validation_rows", "batch_size", "epochs", "learning_rate", "judge")
    spec = {name: getattr(options, name) for name in names}
    spec |= {"data": str(options.data.resolve()), "model": opening.resolve(options.model)}
    found = sides.environment("torch", "transformers")
    results: sides.Runs = {side: [] for side in SIDES}
    for number, side in sides.in_turns(list(SIDES), options.rounds):
        result = sides.start(__file__, {**spec, "side": side, "seed": 1 + number})
        results[side].append(result)
        print(f"round {number + 1} ({side}) {result['rate']:.1f} rows/s, {result['threads']} threads", flush=True)
    print("\nrows of the train split a second of training, median (min to max) of the rounds")
    for side, runs in results.items():
        print(f"  ({side}) {sides.spread([run['rate'] for run in runs], 1):<28}{SIDES[side]}")
        for metric in runs[0].get("metrics", {}):
            values = [run["metrics"][metric] for run in runs]
            print(f"      {metric:<24}{statistics.mean(values):10.4f}  ({min(values):.4f} to {max(values):.4f})")
    found_ratios = sides.ratios(results)
    print(f"  a / b  {sides.spread(found_ratios['b'])}")
    if options.json:
        sides.write_json(options.json, {"environment": found, "results": results, "ratios": found_ratios, **spec})


if __name__ == "__main__":
    main()
