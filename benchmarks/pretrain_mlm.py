"""Training speed of `nlpkit pretrain-mlm` beside the stock Trainer, on the same model, weights and text.

Each side trains in a fresh process, so that memory, threads and imports do not leak from one to the next; the sides
take turns, round after round, and ratios are taken within a round. See benchmarks/README.md for what each side is.

Example: python benchmarks/pretrain_mlm.py --data corpus.txt.gz --tokenizer runs/tokenizer --size mini
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import os
import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sides

SIDES = {
    "a": "nlpkit",
    "b": "Trainer, line by line",
    "c": "Trainer, packed (group_texts)",
    "d": "bare loop over the batches of a",
    "e": "nlpkit --line-by-line",
}
NLPKIT = ("a", "e")
# options of `pretrain-mlm`; minilm is the shape of all-MiniLM-L6-v2
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"size": "tiny"},
    "mini": {"size": "mini"},
    "minilm": {"layers": 6, "hidden_size": 384, "heads": 12, "intermediate_size": 1536},
    "base": {"size": "base"},
}
PARTS = ("forward", "backward", "clip", "optimizer")
WEIGHT_DECAY = 0.01
MLM_PROBABILITY = 0.15


# --- one side, in its own process; `spec` is what the parent wrote ---


class Seen:
    """The batches of the measured steps; what is in them is counted when the clock has stopped."""

    def __init__(self, tokenizer: Any) -> None:
        self.special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
        self.batches: list[tuple[Any, Any, Any]] = []

    def add(self, inputs: dict[str, Any]) -> None:
        """Keep the tensors of a batch."""
        self.batches.append((inputs["input_ids"], inputs.get("attention_mask"), inputs["labels"]))

    def counts(self, warmup: int) -> dict[str, Any]:
        """Totals of the steps after the warm-up.

        `tokens` are those that are not padding, `content` those of them that are neither [CLS] nor [SEP], `positions`
        all that the model computes, `predicted` the labels; `batches` is a sum of ids for each step.
        """
        import torch

        total = dict.fromkeys(("tokens", "content", "positions", "predicted"), 0)
        for ids, mask, labels in self.batches[warmup:]:
            # nlpkit leaves the mask out where nothing is padding
            real = mask.bool() if mask is not None else torch.ones_like(ids, dtype=torch.bool)
            special = torch.isin(ids, torch.tensor(self.special, device=ids.device))
            total["tokens"] += int(real.sum())
            total["content"] += int((real & ~special).sum())
            total["positions"] += ids.numel()
            total["predicted"] += int((labels != -100).sum())
        return {**total, "batches": [int(ids.sum()) for ids, _, _ in self.batches]}


def timed_training(trainer: Any, tokenizer: Any, spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Train `steps` steps and measure those after the warm-up, from the end of one step to the end of another.

    So fetching, collating and logging are part of it; evaluation and checkpoints are not.
    """
    from transformers import TrainerCallback

    seen = Seen(tokenizer)
    step = trainer.training_step

    def recorded(model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        seen.add(inputs)
        return step(model, inputs, *arguments, **keywords)

    trainer.training_step = recorded

    class Clock(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
            if spec["overhead"]:
                optimizer = keywords["optimizer"]
                optimizer.step = watch.wrap("optimizer", optimizer.step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == spec["warmup_steps"]:
                for part in PARTS:
                    watch.seconds.pop(part, None)
                self.start = watch.now()
            if state.global_step == spec["steps"]:
                watch.seconds["train"] = watch.now() - self.start
                control.should_evaluate = control.should_save = False

    trainer.add_callback(Clock())
    loss = trainer.train().training_loss
    return {**seen.counts(spec["warmup_steps"]), "loss": loss, "model": trainer.model}


def built_trainer(spec: dict[str, Any], *, line_by_line: bool = False) -> Any:
    """The Trainer that `nlpkit pretrain-mlm` would run."""
    from nlpkit.recipes import pretrain_mlm

    config = pretrain_mlm.Config(
        data=spec["data"],
        model=spec["model"],
        output=Path("run"),
        line_by_line=line_by_line,
        device=spec["device"],
        precision=spec["precision"],
        compile=spec["compile"],
        max_length=spec["block"],
        max_steps=spec["steps"],
        batch_size=spec["batch_size"],
        learning_rate=spec["learning_rate"],
        weight_decay=WEIGHT_DECAY,
        mlm_probability=MLM_PROBABILITY,
        logging_steps=spec["logging_steps"],
        eval_steps=10**9,
        seed=spec["seed"],
    )
    return pretrain_mlm.build(config).trainer


def run_nlpkit(spec: dict[str, Any], watch: sides.Stopwatch, *, line_by_line: bool) -> dict[str, Any]:
    """Sides a and e."""
    trainer = built_trainer(spec, line_by_line=line_by_line)
    if spec["overhead"]:
        objective = type(trainer.objective)
        objective.__call__ = watch.wrap("forward", objective.__call__)
        accelerator = trainer.accelerator
        accelerator.backward = watch.wrap("backward", accelerator.backward)
        accelerator.clip_grad_norm_ = watch.wrap("clip", accelerator.clip_grad_norm_)
    return timed_training(trainer, trainer.processing_class, spec, watch)


def run_bare(spec: dict[str, Any], watch: sides.Stopwatch) -> dict[str, Any]:
    """Side d: the batches are collated before the clock starts; the model is the stock one, its head sparse."""
    import torch
    import torch.nn.functional as F
    from transformers import AutoModelForMaskedLM, get_linear_schedule_with_warmup, set_seed

    trainer = built_trainer(spec)
    batches: list[Any] = []
    epoch = 0
    while len(batches) < spec["steps"]:
        trainer.set_epoch(epoch)
        batches += list(trainer.get_train_dataloader())
        epoch += 1
    seen = Seen(trainer.processing_class)
    for batch in batches[: spec["steps"]]:
        seen.add(batch)
    set_seed(spec["seed"])
    model = AutoModelForMaskedLM.from_pretrained(spec["model"]).to(spec["device"]).train()
    model.set_attn_implementation(trainer.model.config._attn_implementation)  # documents are kept apart as in a
    encoder = torch.compile(model.bert) if spec["compile"] else model.bert
    arithmetic = torch.autocast(spec["device"], torch.bfloat16, enabled=spec["precision"] == "bf16")
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=spec["learning_rate"], weight_decay=WEIGHT_DECAY, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, round(0.06 * spec["steps"]), spec["steps"])
    start, losses = 0.0, torch.zeros((), device=spec["device"])
    for number, batch in enumerate(batches[: spec["steps"]]):
        if number == spec["warmup_steps"]:
            start = watch.now()
        batch = trainer._prepare_inputs(batch)  # on its device already; what keeps documents apart is made there
        positions, labels = batch.pop("positions"), batch.pop("labels")
        with arithmetic:
            hidden = encoder(**batch).last_hidden_state
            predicted = hidden.gather(1, positions[:, :, None].expand(-1, -1, hidden.shape[-1]))
            loss = F.cross_entropy(model.cls(predicted).flatten(0, 1).float(), labels.flatten())
        losses += loss.detach()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    watch.seconds["train"] = watch.now() - start
    return {**seen.counts(spec["warmup_steps"]), "loss": losses.item() / spec["steps"], "model": model}


def run_trainer(spec: dict[str, Any], watch: sides.Stopwatch, *, packed: bool) -> dict[str, Any]:
    """Sides b and c: the data preparation of Transformers' run_mlm example, with its defaults."""
    from datasets import Dataset, disable_progress_bars
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    disable_progress_bars()
    block = spec["block"]
    tokenizer = AutoTokenizer.from_pretrained(spec["model"])
    rows = Dataset.from_dict({"text": Path(spec["data"]).read_text(encoding="utf-8").splitlines()})

    def tokenize(examples: dict[str, Any]) -> Any:
        limit = {} if packed else {"padding": False, "truncation": True, "max_length": block}
        return tokenizer(examples["text"], return_special_tokens_mask=True, **limit)

    def group_texts(examples: dict[str, Any]) -> dict[str, Any]:
        joined = {key: [value for row in values for value in row] for key, values in examples.items()}
        total = len(joined["input_ids"]) // block * block
        return {key: [values[i : i + block] for i in range(0, total, block)] for key, values in joined.items()}

    rows = rows.map(tokenize, batched=True, remove_columns=["text"])
    if packed:
        rows = rows.map(group_texts, batched=True)
    set_seed(spec["seed"])
    trainer = Trainer(
        model=AutoModelForMaskedLM.from_pretrained(spec["model"]),
        args=TrainingArguments(
            output_dir="run",
            max_steps=spec["steps"],
            per_device_train_batch_size=spec["batch_size"],
            learning_rate=spec["learning_rate"],
            weight_decay=WEIGHT_DECAY,
            warmup_steps=0.06,
            logging_steps=spec["logging_steps"],
            seed=spec["seed"],
            use_cpu=spec["device"] == "cpu",
            bf16=spec["precision"] == "bf16",
            torch_compile=spec["compile"],
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=MLM_PROBABILITY),
    )
    return timed_training(trainer, tokenizer, spec, watch)


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side; returns its result."""
    import torch

    watch = sides.Stopwatch(spec["device"])
    peak = None
    if spec["device"] == "cuda":
        from nlpkit.hardware import devices

        peak = devices.matmul_rate(devices.Device("cuda", spec["precision"], ""))
    side = spec["side"]
    run: dict[str, Callable[[], dict[str, Any]]] = {
        "a": lambda: run_nlpkit(spec, watch, line_by_line=False),
        "b": lambda: run_trainer(spec, watch, packed=False),
        "c": lambda: run_trainer(spec, watch, packed=True),
        "d": lambda: run_bare(spec, watch),
        "e": lambda: run_nlpkit(spec, watch, line_by_line=True),
    }
    result = run[side]()
    model = result.pop("model")
    seconds = watch.seconds["train"]
    out = {
        **result,
        "side": side,
        "rate": result["tokens"] / seconds,
        "seconds": watch.seconds,
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "nlpkit")},
    }
    if peak is not None:
        from nlpkit.pretraining.architectures import TrainingFlops

        # what has to be computed, the same for every side: no padding, the vocabulary head at predicted positions
        flops = TrainingFlops(model)(result["tokens"], spec["block"], result["predicted"]) / seconds
        out |= {"chip": torch.cuda.get_device_name(), "flops": flops, "peak": peak, "mfu": flops / peak}
    return out


# --- the parent ---


def write_data(source: Path, lines: int | None, target: Path) -> int:
    """Write a sample of the corpus, a text a line, in its order; returns the number of texts."""
    opened: Any = gzip.open if source.suffix == ".gz" else open
    with opened(source, "rt", encoding="utf-8") as file:
        texts = [line.strip() for line in file if line.strip()]
    if lines and lines < len(texts):
        texts = [texts[i] for i in sorted(random.Random(0).sample(range(len(texts)), lines))]
    target.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return len(texts)


def write_model(options: argparse.Namespace, folder: Path) -> str:
    """Write the untrained BERT that all sides open, with its tokenizer; returns what it is."""
    import torch
    from transformers import AutoTokenizer, BertForMaskedLM
    from transformers.utils import logging

    from nlpkit.pretraining.architectures import ArchitectureOptions, new_config

    logging.disable_progress_bar()
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    config = new_config(ArchitectureOptions(arch="bert", **SIZES[options.size]), tokenizer, options.block)
    model = BertForMaskedLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return (
        f"BERT {options.size}, {config.num_hidden_layers} layers of {config.hidden_size}, vocabulary "
        f"{config.vocab_size:,}, {model.num_parameters() / 1e6:.1f} M parameters, block {options.block}, "
        f"batch {options.batch_size}, {options.device} {options.precision}{', compiled' if options.compile else ''}"
    )


def run_child(options: argparse.Namespace, side: str, seed: int, folder: Path) -> dict[str, Any]:
    """One side in a fresh process."""
    shared = ("block", "batch_size", "learning_rate", "steps", "warmup_steps", "device", "precision", "compile")
    spec = {
        **{name: getattr(options, name) for name in shared},
        "side": side,
        "seed": seed,
        "data": str(folder / "text.txt"),
        "model": str(folder / "model"),
        # on a GPU the parts can only be told apart by waiting for each, which slows the whole down
        "overhead": options.overhead and side in NLPKIT,
        "logging_steps": 10,
    }
    return {**sides.start(__file__, spec), "seed": seed}


def parts(run: dict[str, Any]) -> dict[str, float]:
    """Shares of the wall time of a run with --overhead; `rest` is what is none of the four."""
    shares = {part: run["seconds"][part] / run["seconds"]["train"] for part in PARTS}
    return {**shares, "rest": 1 - sum(shares.values())}


def report(results: sides.Runs, options: argparse.Namespace) -> None:
    """Print rates, what the batches are made of, ratios and shares."""
    print(f"\n{'side':<38}{'tokens/s':>30}{'padding':>9}{'[CLS], [SEP]':>14}{'predicted':>11}{'mean loss':>11}")
    for side, runs in results.items():
        total = {key: sum(run[key] for run in runs) for key in ("tokens", "content", "positions", "predicted")}
        shares = [
            1 - total["tokens"] / total["positions"],
            1 - total["content"] / total["tokens"],
            total["predicted"] / total["tokens"],
        ]
        print(
            f"({side}) {SIDES[side]:<34}{sides.spread([run['rate'] for run in runs], 0):>30}"
            f"{shares[0]:>9.1%}{shares[1]:>14.1%}{shares[2]:>11.1%}"
            f"{statistics.median(run['loss'] for run in runs):>11.3f}"
        )
    if found := sides.ratios(results):
        print("\nratios of tokens/s, padding not counted, median (min to max) of the rounds")
        for side, values in found.items():
            print(f"  a / {side}  {sides.spread(values):<24} nlpkit to {SIDES[side]}")
    if {"a", "d"} <= set(results):
        same = all(a["batches"] == d["batches"] for a, d in zip(results["a"], results["d"], strict=True))
        print(f"  a and d saw {'the same batches' if same else 'DIFFERENT BATCHES: their ratio means nothing'}")
    for side in [side for side in results if options.overhead and side in NLPKIT]:
        print(f"\n({side}) share of a step's wall time in per cent, median (min to max) of the rounds")
        shares_of = [parts(run) for run in results[side]]
        for part in (*PARTS, "rest"):
            print(f"  {part:<10}{sides.spread([100 * shares[part] for shares in shares_of])}")
    for side, runs in results.items():
        if "mfu" in runs[0]:
            datasheet = ""
            if options.peak_tflops:
                values = [100 * run["flops"] / (options.peak_tflops * 1e12) for run in runs]
                datasheet = f"; {sides.spread(values, 1)} % of {options.peak_tflops:g} TFLOP/s"
            peak = statistics.median(run["peak"] for run in runs) / 1e12
            print(
                f"({side}) {runs[0]['chip']}: {sides.spread([run['flops'] / 1e12 for run in runs], 1)} TFLOP/s, MFU "
                f"{sides.spread([100 * run['mfu'] for run in runs], 1)} % of {peak:.0f} TFLOP/s measured{datasheet}"
            )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FILE", help="a text a line; .txt or .txt.gz")
    parser.add_argument("--tokenizer", metavar="FOLDER", help="tokenizer with [CLS], [SEP] and [MASK]")
    parser.add_argument("--size", choices=SIZES, default="mini", help="of the BERT (default: %(default)s)")
    parser.add_argument("--sides", default="a,b,c,d", help="which of a to e (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="of a run, warm-up included (default: %(default)s)")
    parser.add_argument("--warmup-steps", type=int, default=5, help="not measured (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--block", type=int, default=128, help="tokens of a row at most (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=20_000, help="texts, drawn at random; 0: all (default: 20,000)")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--overhead", action="store_true", help="also where the time of nlpkit's steps goes")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="default: fp32 on the CPU, bf16 on a GPU")
    parser.add_argument("--compile", action="store_true", help="torch.compile on every side")
    parser.add_argument("--peak-tflops", type=float, help="the GPU's datasheet figure, for a second MFU")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None and not (options.data and options.tokenizer):
        parser.error("--data and --tokenizer are needed")
    options.sides = sides.chosen(parser, options.sides, SIDES)
    if not 0 < options.warmup_steps < options.steps:
        parser.error("--warmup-steps must be at least 1 and fewer than --steps")
    options.precision = options.precision or ("bf16" if options.device == "cuda" else "fp32")
    return options


def main() -> None:
    """Run the comparison."""
    options = parse()
    if options.child is not None:
        sides.answer(options.child, child)
        return
    found = sides.environment()
    results: sides.Runs = {side: [] for side in options.sides}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = write_data(options.data, options.lines, folder / "text.txt")
        described = write_model(options, folder / "model")
        print(f"{described}; {texts:,} texts; {options.steps - options.warmup_steps} steps measured")
        for number, side in sides.in_turns(options.sides, options.rounds):
            load = os.getloadavg()[0]
            result = run_child(options, side, number + 1, folder)
            results[side].append({**result, "round": number, "load_average": load})
            print(
                f"round {number + 1} ({side}) {result['rate']:9,.0f} tokens/s, {result['tokens']:,} tokens in "
                f"{result['seconds']['train']:.1f} s, {result['threads']} threads, load before {load:.1f}",
                flush=True,
            )
    report(results, options)
    versions = results[options.sides[0]][0]["versions"]
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))
    if options.json:
        document = {"environment": found, "options": vars(options), "results": results}
        sides.write_json(options.json, {**document, "ratios": sides.ratios(results)})


if __name__ == "__main__":
    main()
