"""A classifier on the CPU: torch, its old dynamic quantization, and what `nlpkit quantize` makes of it.

Every side answers the same real sentences at their own lengths, one at a time and in batches of like length, with its
tokens ready: what is timed is the model. All sides are open in one process and take turns, sentence by sentence in the
order of the sides, so that what else the machine does hits all alike; a ratio is taken within a round. The accuracy on
all rows stands beside.

a. `nlpkit quantize` (onnx-int8), run by its session as `predict` runs it
b. torch float32, eager, as `from_pretrained` opens it
c. `torch.ao.quantization.quantize_dynamic` on the linear layers
d. `nlpkit quantize --to onnx-fp32`
e. `nlpkit quantize --to onnx-int8-static`
f. the graph that `transformers.exporters` fuses for the CPU, with ONNX Runtime's dynamic int8, as both come
g. `nlpkit quantize --portable`
h. `nlpkit quantize --embedding-bits 4`

`--also NAME=FILE` adds an ONNX file of the same model, as of an earlier version; where (b) is left out, speeds are told
beside the first of these. `--profile` prints where ONNX Runtime spends its time in a.

Example: python benchmarks/quantize.py --model runs/sst2 --data FOLDER --rounds 5
"""

from __future__ import annotations

import argparse
import collections
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sides

SIDES = {
    "a": "onnx-int8",
    "b": "torch float32, eager",
    "c": "torch.ao quantize_dynamic",
    "d": "onnx-fp32",
    "e": "onnx-int8-static",
    "f": "exporter's fusions, dynamic int8",
    "g": "onnx-int8, portable",
    "h": "onnx-int8, 4-bit embeddings",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "a": {"to": "onnx-int8"},
    "d": {"to": "onnx-fp32"},
    "e": {"to": "onnx-int8-static"},
    "g": {"to": "onnx-int8", "portable": True},
    "h": {"to": "onnx-int8", "embedding_bits": "4"},
}


def build(side: str, options: argparse.Namespace, folder: Path, example: dict[str, Any]) -> tuple[Any, int]:
    """The model of a side, called with tensors like `example`, and its bytes."""
    from nlpkit.measurement import before_after
    from nlpkit.models import opening
    from nlpkit.recipes import quantize

    name = opening.resolve(options.model)
    model, _ = opening.load_model(name, "AutoModelForSequenceClassification")
    model.eval()
    if side in OPTIONS:
        config = quantize.Config(
            model=options.model,
            output=folder / side,
            device="cpu",
            threads=options.threads,
            measure_seconds=0,
            **OPTIONS[side],
            **({"data": str(options.data)} if options.data else {}),
        )
        quantize.run(config)
        return opening.load_model(str(folder / side), "", exported=True)[0], before_after.weight_bytes(folder / side)
    if side == "c":
        import torch

        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
        torch.save(model.state_dict(), folder / "c.bin")
        return model, (folder / "c.bin").stat().st_size
    if side == "f":
        return stock_export(model, example, folder)
    return model, sum(tensor.numel() * 4 for tensor in model.parameters())


def stock_export(model: Any, example: dict[str, Any], folder: Path) -> tuple[Any, int]:
    """Side f."""
    import onnx_ir
    from onnxruntime.quantization import QuantType
    from transformers.exporters import OnnxConfig, OnnxExporter, OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer

    from nlpkit.models.onnx import OnnxModel
    from nlpkit.quantization import int8
    from nlpkit.quantization.export import quiet

    quantizer = OnnxRuntimeQuantizer(
        OnnxRuntimeDynamicConfig(per_channel=True, reduce_range=int8.needs_reduced_range(), weight_type=QuantType.QInt8)
    )
    with quiet():
        config = OnnxConfig(dynamic=True, ort_fusions="cpu", quantizer=quantizer)
        made = OnnxExporter().export(model, example, config=config).program
    onnx_ir.save(made, folder / "f.onnx")
    return OnnxModel(folder / "f.onnx", model.config), (folder / "f.onnx").stat().st_size


def batches(options: argparse.Namespace) -> tuple[list[Any], list[Any], list[np.ndarray], np.ndarray]:
    """Single sentences, batches of like length, the rows of each batch, and the labels."""
    from nlpkit.experiment.inherited_data import TrainedDataOptions, inherit_data, open_splits
    from nlpkit.inference.predictor import open_trained
    from nlpkit.options import OpeningOptions
    from nlpkit.tasks.contract import BOOKKEEPING

    trained = open_trained(options.model, OpeningOptions())
    config = TrainedDataOptions(**({"data": str(options.data)} if options.data else {})).for_task(type(trained.task))
    config = inherit_data(config, trained.record, options.model)
    *_, examples, _ = open_splits(config, trained.task, seed=42, needs=("validation",))
    made = trained.task.features(trained.tokenizer, examples["validation"][:])
    names = [name for name in made if name not in {*BOOKKEEPING, *trained.task.withheld}]
    collate = trained.task.collate(trained.tokenizer)
    order = np.argsort(-np.asarray(made["length"]), kind="stable")
    groups = [order[start : start + options.batch_size] for start in range(0, len(order), options.batch_size)]

    def joined(rows: np.ndarray) -> Any:
        return collate([{name: made[name][i] for name in names} for i in rows.tolist()])

    drawn = np.random.default_rng(0).permutation(len(order))[: options.rows]
    singles = [joined(drawn[i : i + 1]) for i in range(len(drawn))]
    return singles, [joined(rows) for rows in groups], groups, np.asarray(made["labels"])


def timed(models: dict[str, Any], inputs: list[Any], clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of each side for each input, the sides by turns."""
    found: dict[str, list[float]] = {side: [] for side in models}
    for number, batch in enumerate(inputs):
        for side in list(models)[:: 1 if number % 2 else -1]:
            start = clock()
            models[side](**batch)
            found[side].append(clock() - start)
    return found


def profile(model: Any, inputs: list[Any], title: str) -> None:
    """Print the share of each operator in the time of an ONNX model."""
    import onnxruntime as ort
    import torch

    with tempfile.TemporaryDirectory() as place:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.enable_profiling = torch.get_num_threads(), True
        options.profile_file_prefix = f"{place}/profile"
        session = ort.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_inputs()]
        for batch in inputs:
            session.run(None, {name: batch[name].numpy() for name in names})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    total = sum(event["dur"] for event in kernels)
    spent, calls = collections.Counter[str](), collections.Counter[str]()
    for event in kernels:
        spent[event["args"]["op_name"]] += event["dur"]
        calls[event["args"]["op_name"]] += 1
    print(f"\n{title}: {total / len(inputs) / 1e3:.2f} ms in kernels")
    for name, duration in spent.most_common(10):
        print(f"  {name:<24}{duration / total:7.1%}  {calls[name] // len(inputs):3} calls")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="run of finetune-cls")
    parser.add_argument("--data", type=Path, help="folder, as nlpkit reads it (default: the run's)")
    parser.add_argument("--sides", default=",".join(SIDES), help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=64, help="sentences one at a time, a round (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, help="(default: the cores there are)")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=FILE", help="an ONNX file of the model")
    parser.add_argument("--cpu-time", action="store_true", help="of the calling thread, on a busy machine; --threads 1")
    parser.add_argument("--profile", action="store_true", help="print where the time of side a goes")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    options = parser.parse_args()
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time is that of one thread: --threads 1")
    clock = time.thread_time if options.cpu_time else time.perf_counter
    names = sides.chosen(parser, options.sides, SIDES) if options.sides else []
    files = {name: Path(file) for name, _, file in (item.partition("=") for item in options.also)}

    from nlpkit import process

    process.apply(verbose=False)
    import torch

    from nlpkit.models import opening
    from nlpkit.models.onnx import OnnxModel
    from nlpkit.quantization import int8

    if options.threads:
        torch.set_num_threads(options.threads)
    found = sides.environment("torch", "transformers", "onnxruntime")
    print(f"threads {torch.get_num_threads()}, VNNI: {'no' if int8.needs_reduced_range() else 'yes'}")
    singles, groups, rows, labels = batches(options)
    results: dict[str, dict[str, list[float]]] = {side: {"one": [], "batch": []} for side in [*names, *files]}
    with tempfile.TemporaryDirectory() as place, torch.inference_mode():
        built = {side: build(side, options, Path(place), groups[0]) for side in names}
        for name, file in files.items():
            built[name] = OnnxModel(file, opening.load_config(opening.resolve(options.model))), file.stat().st_size
        names += files
        models = {side: model for side, (model, _) in built.items()}
        quality = {}
        for side, model in models.items():  # also the first sight of every shape
            right = [
                (model(**g)["logits"].argmax(-1).numpy() == labels[r]).sum() for g, r in zip(groups, rows, strict=True)
            ]
            quality[side] = float(sum(right) / len(labels))
        for number in range(options.rounds):
            for kind, inputs in (("one", singles), ("batch", groups)):
                for side, seconds in timed(models, inputs, clock).items():
                    results[side][kind].append(statistics.median(seconds) if kind == "one" else sum(seconds))
            print(f"round {number + 1} of {options.rounds}", flush=True)
        if options.profile and "a" in models:
            profile(models["a"], singles, "a, one at a time")
            profile(models["a"], groups, f"a, batches of {options.batch_size}")
    print(f"\n{'':36}accuracy     MB   ms, one            rows/s, batches of {options.batch_size}")
    for side in names:
        one = sides.spread([1e3 * seconds for seconds in results[side]["one"]])
        rate = sides.spread([len(labels) / seconds for seconds in results[side]["batch"]], 0)
        print(f"  ({side}) {SIDES.get(side, ''):<30}{quality[side]:9.4f}{built[side][1] / 1e6:7.1f}   {one:<18} {rate}")
    if first := next((side for side in ("b", *files) if side in names), None):
        print(f"\ntimes as fast as ({first}), round by round")
        for side in names:
            ratio = {
                kind: [b / s for b, s in zip(results[first][kind], results[side][kind], strict=True)]
                for kind in ("one", "batch")
            }
            print(f"  ({side}) one at a time {sides.spread(ratio['one']):<24} batches {sides.spread(ratio['batch'])}")
    if options.json:
        sides.write_json(options.json, {"environment": found, "results": results, "accuracy": quality})


if __name__ == "__main__":
    main()
