"""Judging a model by what it writes: nlpkit against the loop of the Transformers example script.

    python benchmarks/written_evaluation.py --model runs/translator --data validation.jsonl --rounds 3

Both sides write for the same rows with the same weights, greedily, at most as many tokens, in turns:

a. what `evaluate` does: rows by length, a cache, rows that leave the batch when they have ended (`--batch-size`)
b. what the example scripts for translation and summarization do: Seq2SeqTrainer.predict with `predict_with_generate`
   and DataCollatorForSeq2Seq, 8 rows at a time in the order of the file (their defaults), or `--script-batch-size`

Tokens become text on both sides, and no metric is computed. Printed besides: the share of rows with the same text.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import sides

SCRIPT_ROWS = 8  # per_device_eval_batch_size of TrainingArguments


def ours(predictor: Any, examples: Any) -> list[str]:
    """Side a."""
    said: list[str] = predictor.task.said(predictor.outputs(examples))
    return said


def script(model: Any, tokenizer: Any, examples: Any, rows: int, tokens: int, prefix: str) -> list[str]:
    """Side b."""
    import numpy as np
    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments

    def tokenized(batch: dict[str, list[Any]]) -> Any:
        made = tokenizer([prefix + text for text in batch["text"]])
        made["labels"] = tokenizer(text_target=[targets[0] for targets in batch["targets"]])["input_ids"]
        return made

    columns = {"text": examples["text"], "targets": examples["targets"]}
    dataset = Dataset.from_dict(columns).map(tokenized, batched=True, remove_columns=list(columns))
    arguments = Seq2SeqTrainingArguments(
        output_dir="unused",
        per_device_eval_batch_size=rows,
        predict_with_generate=True,
        generation_max_length=tokens + 1,  # with the token that the decoder begins with
        generation_num_beams=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Seq2SeqTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model, label_pad_token_id=-100),
    )
    ids = trainer.predict(dataset).predictions
    ids = np.where(ids != -100, ids, tokenizer.pad_token_id)
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def main() -> None:
    """Run both sides in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="run folder of finetune-seq2seq")
    parser.add_argument("--data", required=True, help="rows with the columns of that run")
    parser.add_argument("--rows", type=int, help="the first of them (default: all)")
    parser.add_argument("--batch-size", type=int, default=64, help="of side a (default: %(default)s)")
    parser.add_argument("--script-batch-size", type=int, default=SCRIPT_ROWS, help="of side b (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    options = parser.parse_args()
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from nlpkit.data import splits
    from nlpkit.inference.predictor import open_predictor
    from nlpkit.recipes.evaluate import Config

    found = sides.environment("torch", "transformers")
    asked: Any = {"model": options.model, "data": options.data, "device": "cpu", "threads": options.threads}
    config = Config(**asked, batch_size=options.batch_size)
    predictor = open_predictor(config)
    task = predictor.task.with_(beams=1)
    predictor = predictor.asking(task)
    loaded = splits.load(config, type(task))
    (split,) = loaded.splits
    examples = task.reader().examples(loaded.splits[split], split, loaded)[: options.rows]
    tokens = predictor.model.generation_config.max_new_tokens
    model, tokenizer = (kind.from_pretrained(options.model) for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    model.generation_config.max_new_tokens = None
    few = {name: column[:8] for name, column in examples.items()}
    torch.set_num_threads(options.threads)
    taken: dict[str, list[float]] = {"a": [], "b": []}
    texts: dict[str, list[str]] = {}

    def run(side: str, rows: Any) -> list[str]:
        if side == "a":
            return ours(predictor, rows)
        return script(model, tokenizer, rows, options.script_batch_size, tokens, task.prefix)

    for side in taken:
        run(side, few)  # imports
    for number, side in sides.in_turns(list(taken), options.rounds):
        start = time.perf_counter()
        texts[side] = run(side, examples)
        taken[side].append(time.perf_counter() - start)
        print(f"round {number + 1}, side {side}: {taken[side][-1]:.2f} s", flush=True)
    rates = [b / a for a, b in zip(taken["a"], taken["b"], strict=True)]
    count = len(texts["a"])
    print(f"a, nlpkit           {sides.spread(taken['a'])} s for {count:,} rows, up to {tokens} tokens each")
    print(f"b, example script   {sides.spread(taken['b'])} s")
    print(f"ratio               {sides.spread(rates, 1)}")
    same = sum(mine == other for mine, other in zip(texts["a"], texts["b"], strict=True))
    print(f"the same text       {same:,} of {count:,} rows")
    if options.json:
        sides.write_json(options.json, {"environment": found, "seconds": taken, "ratio": rates, "same": same})


if __name__ == "__main__":
    main()
