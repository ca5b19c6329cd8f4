"""Store a trained model in fewer bits, for ONNX Runtime or torch, and show what
that costs. Writes a run folder that predict and evaluate open as any other.

The model is exported, its logits are compared with those of torch on real rows, then it is quantized. Where that costs
more than --max-drop points of the main metric, layers are searched that stay in float32. `predict` and `evaluate` run
the folder like any other. The data are those that the model was trained on, unless others are named.

Examples: nlpkit quantize runs/reviews
nlpkit quantize runs/reviews --to onnx-int8-static --max-drop 0.5
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from nlpkit import limits, reporting
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.experiment.inherited_data import (
    NAMES_DATA,
    ComparedDataOptions,
    inherit_data,
    open_splits,
    overlap,
    refuse_hold_out,
    repeats_hold_out,
    train_keys,
)
from nlpkit.inference.predictor import Predictor, Trained, open_trained
from nlpkit.measurement import before_after, export_cache
from nlpkit.metrics.evidence import Judgement
from nlpkit.models import bare, files, fitting, opening
from nlpkit.options import (
    CardOptions,
    DeviceOptions,
    FolderOptions,
    GivenModelOptions,
    SeedOptions,
    Strings,
    option,
    option_like,
)
from nlpkit.reporting import Report, counted
from nlpkit.runs import lock
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import RunFolder
from nlpkit.runs.standing import Standing
from nlpkit.tasks import features, registry
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    import onnx_ir as ir
    from datasets import Dataset

    from nlpkit.data.findings import Finding
    from nlpkit.data.sources import LoadedData
    from nlpkit.hardware.devices import Device
    from nlpkit.quantization.int8 import Scheme

COMMAND = "quantize"
ESSENTIAL: tuple[str, ...] = ("model", "to", "max_drop", "exclude", "embedding_bits", "portable", "data", "output")
ESSENTIAL += ("overwrite",)
CHECKED_ROWS = 32
TORCH_DTYPES = {"fp16": "float16", "bf16": "bfloat16"}
# what the names of its files end with, and what transformers.js calls a format
ONNX_FORMATS = {
    "onnx-fp32": ("", "fp32"),
    "onnx-fp16": ("_fp16", "fp16"),
    "onnx-int8": ("_quantized", "q8"),
    "onnx-int8-static": ("_quantized", "q8"),
}
# formats that options are read for
ONNX = {"to": tuple(ONNX_FORMATS)}
ONNX_INT8 = {"to": ("onnx-int8", "onnx-int8-static")}
ONNX_STATIC = {"to": ("onnx-int8-static",)}
JS_CONFIG = "transformers.js_config"  # in config.json


NEEDS = Judged  # of the task of the model


class Config(
    before_after.ComparisonOptions,
    ComparedDataOptions,
    CardOptions,
    FolderOptions,
    DeviceOptions,
    TaskChoiceOptions,
    GivenModelOptions,
):
    """Options of `nlpkit quantize`."""

    to: Literal["onnx-int8", "onnx-int8-static", "onnx-fp16", "onnx-fp32", "torch-int8", "fp16", "bf16"] | None = (
        option(
            None,
            "Format; static: with ranges of training rows.",
            panel="Quantization",
            shown_default="onnx-int8; onnx-fp16 on a GPU",
        )
    )
    max_drop: float = option(
        1.0,
        "Points of its metric that int8 may cost.",
        panel="Quantization",
        ge=0,
        only_with=ONNX_INT8,
    )
    exclude: Strings = option(
        [],
        "Layers that stay in float32, by name or pattern.",
        panel="Quantization",
        metavar="NAME",
        only_with=ONNX_INT8,
    )
    embedding_bits: Annotated[Literal["8", "4"], BeforeValidator(str)] = option(
        "8",
        "Bits of embedding tables.",
        panel="Quantization",
        only_with=ONNX_INT8,
    )
    portable: bool = option(
        False,
        "Operators of ONNX alone, for other runtimes.",
        panel="Quantization",
        only_with=ONNX,
    )
    per_channel: bool = option(
        True,
        "One scale per output of a linear layer instead of one per layer.",
        panel="Quantization",
        only_with=ONNX_INT8,
    )
    reduce_range: Literal["auto", "yes", "no"] = option(
        "auto",
        "Quantize weights to 7 bits, as 8 overflow on CPUs without VNNI; auto looks at this CPU.",
        panel="Quantization",
        only_with=ONNX_INT8,
    )
    calibration: Literal["minmax", "entropy", "percentile"] = option(
        "minmax", "How the range of activations is settled.", panel="Quantization", only_with=ONNX_STATIC
    )
    calibration_rows: int = option(
        128, "Training rows that activations are measured on.", panel="Quantization", ge=1, only_with=ONNX_STATIC
    )
    seed: int = option_like(
        SeedOptions, "seed", help="Seed of the hold-out and of the rows that are drawn.", panel="Data"
    )
    output: Path | None = option_like(FolderOptions, "output", shown_default="runs/<data>-<model>-<format>")


@dataclass
class _Source:
    """What is quantized, and on what it is judged."""

    config: Config
    to: str
    trained: Trained
    device: Device
    examples: dict[str, Dataset]
    data: dict[str, Any]  # for the record
    findings: list[Finding]
    before: dict[str, Judgement]  # of the model as it is
    told: set[str] = field(default_factory=set)  # splits of which it was said what is cut
    usual: Path | None = None  # file of the graph that is not portable, to compare with
    chose: bool = False  # whether validation has chosen what stays in float32

    @property
    def standing(self) -> Standing:
        """What the rows of the price table have decided before."""
        return Standing.of(self.judged, self.data, self.trained.record, chose=self.chose)

    @property
    def judged(self) -> str:
        """The split of the price table."""
        return "test" if "test" in self.examples else "validation"

    def predictor(self, model: Any) -> Predictor:
        from nlpkit.inference import weights

        model = weights.copied(model, self.device)
        return Predictor(self.trained.task, model, self.trained.tokenizer, self.device, lent=False)

    def judge(self, model: Any, split: str) -> Judgement:
        examples = self.examples[split]
        predictor = self.predictor(model)
        outputs = predictor.outputs(examples[:])
        cut = predictor.cut.finding(self.trained.task, split, settable=False)
        if cut is not None and split not in self.told:
            self.told.add(split)
            self.findings.append(cut)
            reporting.current().warn(str(cut))
        self.trained.task = self.trained.task.with_conventions(outputs)
        task = self.trained.task
        return Judgement(task.score(outputs, examples), task.evidence(outputs, examples))


@lock.given_back()
def run(config: Config) -> Report:
    """Export, check, quantize, compare, and write the run folder; returns the table of before and after."""
    started = time.monotonic()
    source = _open(config)
    folder = RunFolder(config.output or _default_path(source))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    reporting.current().plan("plan", _plan(source, folder))
    folder.start(_head(source), overwrite=config.overwrite, resume=False)
    with folder.staging() as staged, tempfile.TemporaryDirectory() as aside:
        if config.portable and source.to != "onnx-fp16":
            source.usual = Path(aside) / files.EXPORTED
        quantization = (_to_onnx if source.to.startswith("onnx") else _to_torch)(source, staged)
        limits.save_tokenizer(
            source.trained.tokenizer, staged, source.trained.task.stated_length, quantization.get("inputs")
        )
        source.trained.task.extra_files(staged, source.trained.config)
        if source.to.startswith("onnx") and not source.trained.task.needs_torch and (why := bare.write(staged)):
            reporting.current().note(f"it runs with torch and transformers alone, as {why}")
        measured = _measured(source, staged)  # from which the task may learn how its model answers
        record = {**_head(source), **measured, "quantization": quantization}
        record["wall_seconds"] = round(time.monotonic() - started, 2)
        _write(source, record, staged, folder)
    return _report(source, record, folder.path)


def _open(config: Config) -> _Source:
    """The model and the rows; whatever is wrong with them or with what is installed is said here."""
    from nlpkit.hardware import devices

    device = devices.choose(config)
    if config.to is None or config.to.startswith("onnx"):
        export_cache.require_packages(f"--to {config.to or 'onnx-int8'}")
        device = _device_of_onnx(config, device)
    to = config.to or ("onnx-int8" if device.name == "cpu" else "onnx-fp16")
    config.changed(to=to).refuse_unread()
    if config.portable and config.embedding_bits == "4":
        raise UserError(
            "--portable: ONNX has no operator that looks up rows of 4 bits, and --embedding-bits 4 needs one",
            "`nlpkit prune --what vocabulary` makes the table smaller for every runtime.",
        )
    trained = open_trained(
        config.model, config, NEEDS, "quantize", revision=config.model_revision, exported=False, task_name=config.task
    )
    if trained.config.model_type == files.STATIC:
        raise UserError(
            f"{config.model} is a table of token vectors: it has no layers that fewer bits would make faster",
            "Use it as it is; `nlpkit distill --student static --dims N` makes a smaller one.",
        )
    config = config.for_task(type(trained.task))
    named = any(getattr(config, name) for name in NAMES_DATA) and not repeats_hold_out(config, trained.record)
    config = inherit_data(config, trained.record, config.model)
    if to == "onnx-int8-static" or not named:
        needs = ("train", "validation") if to == "onnx-int8-static" else ("validation",)
        reader, loaded, examples, findings = open_splits(config, trained.task, seed=config.seed, needs=needs)
    else:
        refuse_hold_out(config)
        keys = train_keys(trained.record, config.model, trained.task)
        reader, loaded, by_split, findings = open_splits(
            config, trained.task, seed=config.seed, needs=(), training=False
        )
        examples = _judged(loaded, by_split)
        evaluated = [split for split in by_split if split != "train"] or list(by_split)
        for warning in overlap(trained.record, config.model, keys, reader, loaded, evaluated):
            reporting.current().warn(warning)
    trained.task = reader.task
    source = _Source(config, to, trained, device, examples, loaded.source.to_record(), findings, {})
    judged = {split: rows for split, rows in examples.items() if split != "train"}
    trained.task, judged = trained.task.against(judged, lambda rows: source.predictor(trained.model).outputs(rows[:]))
    source.examples = {**examples, **judged}
    return source


def _device_of_onnx(config: Config, device: Device) -> Device:
    """Where the exported model, and the one it is compared with, are to run: said, or refused, before the export.

    Raises:
        UserError: ONNX Runtime does not run on the device that was named.
    """
    from nlpkit.hardware import providers
    from nlpkit.models import onnx

    kind = device.name.partition(":")[0]
    int8 = (config.to or "").startswith("onnx-int8")
    if (lacking := providers.obstacle(kind)) is not None:
        if config.device != "auto":
            raise UserError(*lacking)
        return onnx.on_cpu(config, f"{lacking.message} ({lacking.hint})")
    if not int8 or kind == "cpu":
        return device
    why = f"--to {config.to} is for the CPU: on a GPU its products run in float32 or on the CPU all the same"
    if config.device == "auto":
        return onnx.on_cpu(config, why)
    reporting.current().warn(why)
    return device


def _judged(loaded: LoadedData, by_split: dict[str, Dataset]) -> dict[str, Dataset]:
    """The examples with a validation split, which is all that there are where none is called so: nothing is trained.

    Raises:
        UserError: there is none.
    """
    if not by_split:
        raise UserError("there is no row that can be used", "`nlpkit check-data` tells why.")
    if "validation" in by_split:
        # rows to train on are neither trained on nor judged, and so are none of this run
        return {name: rows for name, rows in by_split.items() if name != "train"}
    split = "test" if "test" in by_split else next(iter(by_split))
    reporting.current().note(
        f"validation: all {counted(len(by_split[split]), 'row', 'rows')} of {splits.title(loaded, split)}: nothing is "
        "trained here"
    )
    others = {name: rows for name, rows in by_split.items() if name not in (split, "train")}
    return {"validation": by_split[split], **others}


def _default_path(source: _Source) -> Path:
    return RunFolder.default_path(
        splits.short_name(source.config), f"{opening.display_name(source.config.model)}-{source.to}"
    )


def _plan(source: _Source, folder: RunFolder) -> list[tuple[str, str]]:
    return [
        ("model", f"{opening.display_name(source.config.model)}, {source.trained.model.num_parameters() / 1e6:.1f} M"),
        ("task", source.trained.task.describe()),
        ("data", ", ".join(f"{split} {len(rows):,}" for split, rows in source.examples.items())),
        ("format", source.to),
        ("device", source.device.described),
        ("output", str(folder.path)),
    ]


# --- torch ---


def _to_torch(source: _Source, staged: Path) -> dict[str, Any]:
    """Write the weights in fewer bits, as stock transformers open them."""
    import torch

    config, trained = source.config, source.trained
    if source.to == "torch-int8":
        from nlpkit.quantization import int8

        model, _ = opening.load_model(
            trained.place,
            trained.task.auto_class,
            revision=config.model_revision,
            trust_remote_code=config.trust_remote_code,
            allow_pickle=config.allow_pickle,
            quantization_config=int8.torch_int8(),
        )
    else:
        model = copy.deepcopy(trained.model).to(getattr(torch, TORCH_DTYPES[source.to]))
    trained.task.tell_clients(model.config)
    model.save_pretrained(staged)
    return {"to": source.to}


# --- ONNX ---


def _to_onnx(source: _Source, staged: Path) -> dict[str, Any]:
    """Export, compare with torch, quantize, and write what came of it."""
    from nlpkit.models import onnx
    from nlpkit.quantization import export

    fitting.remember_first_position(source.trained.config, source.trained.model)
    ending, precision = ONNX_FORMATS[source.to]
    place = staged / files.ONNX_FOLDER
    place.mkdir()
    batches = _checking_batches(source)
    task, net = source.trained.task, source.trained.model
    net.config.save_pretrained(staged)  # what is judged below is opened from here
    if task.writes:
        net.generation_config.save_pretrained(staged)
    with reporting.current().progress("export", 2, "steps") as bar:
        half = source.to == "onnx-fp16"
        fusions: Literal["cuda"] | None = "cuda" if half and not source.config.portable else None
        made = export_cache.graphs_of(task, net, batches[0], fusions=fusions)
        if len(made) > 1 and source.to == "onnx-int8-static":
            raise UserError(
                f"--to {source.to}: {type(net).__name__} has an encoder and a decoder, whose ranges hang on each other",
                "--to onnx-int8 measures them at each call.",
            )
        plain = {name: graph.clone() for name, graph in made.items()} if source.usual else {}
        for graph in made.values():
            export.finish(graph, net, fused=fusions is not None, portable=source.config.portable)
        for graph in plain.values():
            export.finish(graph, net, fused=False)
        bar.advance()
        path = export.save_all(made, place, ending)
        difference = max(
            export_cache.largest_difference(
                lambda **batch: task.graph(net, batch),
                way,
                batches,
                task.logits,
                hint=f"{type(net).__name__} does not survive the export; --to torch-int8 needs none.",
            )
            for way in export_cache.ways_to_run(task, onnx.opened(path, source.trained.config))
        )
        bar.advance()
    quantization: dict[str, Any] = {"to": source.to, "largest_difference": difference}
    if half:
        smaller = copy.deepcopy(source.trained.model).half()
        made = export_cache.graphs_of(task, smaller, batches[0], fusions=fusions)
        for graph in made.values():
            export.finish(graph, smaller, fused=fusions is not None, portable=source.config.portable)
        export.save_all(made, place, ending)
    elif source.to != "onnx-fp32":
        quantization |= _to_int8(source, made, path)
    if source.usual is not None:
        _save_usual(source, plain, path, quantization)
    if source.config.portable:
        quantization |= {"portable": True, "opset": max(graph.graph.opset_imports[""] for graph in made.values())}
    if source.to == "onnx-int8":
        quantization["largest_difference_in_batches"] = _batch_difference(source, path)
    if len(made) == 1:
        export.publish(path, staged)
        # which file transformers.js opens where it is not told
        large = {"use_external_data_format": True} if export.data_file(path).exists() else {}
        setattr(source.trained.config, JS_CONFIG, {"dtype": precision, **large})
    task.tell_clients(source.trained.config)
    source.trained.config.save_pretrained(staged)
    return {**quantization, **_described(source, made, path, staged)}


def _save_usual(source: _Source, plain: Mapping[str, ir.Model], path: Path, quantization: Mapping[str, Any]) -> None:
    """Write the graphs that are not portable, with the same layers in float32, for the comparison of both."""
    from nlpkit.quantization import export

    assert source.usual is not None
    place = source.usual.parent
    source.trained.config.save_pretrained(place)  # what is judged is opened from there
    if source.trained.task.writes:
        source.trained.model.generation_config.save_pretrained(place)
    if source.to != "onnx-fp32":
        scheme = _scheme(source.config, quantization["reduced_range"], quantization["excluded"])
        feeds = _calibration(source, path) if source.to == "onnx-int8-static" else []
        scheme = replace(scheme, portable=False)
        plain = {name: _quantized(source, graph, scheme, feeds) for name, graph in plain.items()}
    source.usual = export.save_all(plain, place)


def _described(source: _Source, made: Mapping[str, ir.Model], path: Path, staged: Path) -> dict[str, Any]:
    """What the record tells of the graphs, for those who run them."""
    graphs = [str(file.relative_to(staged)) for file in files.graphs(path)]
    inputs = [value.name for value in next(iter(made.values())).graph.inputs]
    if not source.trained.task.writes:
        return {"file": graphs[-1], "inputs": inputs}
    # what a tokenizer gives: the rest is what was read before
    tokens = [name for name in inputs if name in ("input_ids", "attention_mask")]
    return {"file": graphs[-1], "graphs": graphs, "inputs": tokens, "cache": True}


def _batch_difference(source: _Source, path: Path) -> float:
    """By how much an output of dynamic int8 differs with the rows beside it: activations have one scale per batch."""
    from nlpkit.models import onnx

    model, task = onnx.opened(path, source.trained.config), source.trained.task
    collate = task.collate(source.trained.tokenizer)

    def outputs(rows: list[Any]) -> list[Any]:
        batch = collate(rows)
        if task.writes:
            logits = task.logits(model(**export_cache.asked(task, model, batch)), batch)
        else:
            logits = task.run(model, batch).logits
        # where each token has an output, padding has some too
        per_token = logits.shape[:2] == batch["attention_mask"].shape and logits.dim() > 2
        return [
            row[mask.bool()] if per_token else row for row, mask in zip(logits, batch["attention_mask"], strict=True)
        ]

    rows = _features(source, "validation", CHECKED_ROWS)
    pairs = zip(outputs(rows), [outputs([row])[0] for row in rows], strict=True)
    # rows beside it may have more places that are read, behind its own
    return max(float((together[: len(alone)] - alone).abs().max()) for together, alone in pairs)


def _checking_batches(source: _Source) -> list[dict[str, Any]]:
    """Real rows as the model takes them, of several lengths and batch sizes; the first has several rows and tokens."""
    task, collate = source.trained.task, source.trained.task.collate(source.trained.tokenizer)
    rows = _features(source, "validation", CHECKED_ROWS)
    rows.sort(key=lambda row: len(row["input_ids"]))

    def inputs(chosen: list[Any]) -> dict[str, Any]:
        return export_cache.asked(task, source.trained.model, collate(chosen))

    longest = inputs(rows[-1:])
    width = longest["input_ids"].shape[1]
    times = -(-(task.max_length or width) // width)
    full = {name: tensor.repeat(1, times)[:, : task.max_length or width] for name, tensor in longest.items()}
    # of the end, where BART looks for the token that ends a text
    short = [{name: tensor[:, -length:] for name, tensor in longest.items()} for length in (1, 2, 3) if length < width]
    middle = len(rows) // 2
    # an export takes a size of 1 for fixed
    traced = inputs([rows[-1], rows[middle]]) if len(rows) > 1 else inputs(rows * 2)
    return [traced, inputs(rows), inputs(rows[:3]), inputs(rows[middle : middle + 1]), full, *short]


def _to_int8(source: _Source, made: Mapping[str, ir.Model], path: Path) -> dict[str, Any]:
    """Quantize; where that costs too much, leave more and more layers out."""
    from nlpkit.quantization import export, int8

    config = source.config
    reduced = int8.needs_reduced_range() if config.reduce_range == "auto" else config.reduce_range == "yes"
    excluded = int8.excluded_by(list(made.values()), config.exclude)
    ending, _ = ONNX_FORMATS[source.to]
    feeds = _calibration(source, path) if source.to == "onnx-int8-static" else []

    def lost(left_out: Sequence[str]) -> float:
        scheme = _scheme(config, reduced, left_out)
        graphs = {name: _quantized(source, graph, scheme, feeds) for name, graph in made.items()}
        export.save_all(graphs, path.parent, ending)
        return source.trained.task.points_lost(before, _scored(source, path))

    with reporting.current().progress("quantize", 1, "models") as bar:
        source.before["validation"] = source.judge(source.trained.model, "validation")
        before, _ = source.before["validation"]
        drop = lost(excluded)
        bar.advance()
        if drop > config.max_drop:
            source.chose = True
            excluded, drop = _search(config, int8.groups(*made.values()), excluded, drop, lost, bar)
    return {
        "per_channel": config.per_channel,
        "reduced_range": reduced,
        "embedding_bits": int(config.embedding_bits),
        "excluded": list(excluded),
        "points_lost": {"validation": drop},
    }


def _scheme(config: Config, reduced: bool, excluded: Sequence[str]) -> Scheme:
    from nlpkit.quantization import int8

    return int8.Scheme(
        config.per_channel, reduced, tuple(excluded), int(config.embedding_bits), portable=config.portable
    )


def _scored(source: _Source, path: Path) -> Mapping[str, float]:
    from nlpkit.models import onnx

    metrics, _ = source.judge(onnx.opened(path, source.trained.config), "validation")
    return metrics


def _quantized(source: _Source, made: ir.Model, scheme: Scheme, feeds: Sequence[Any]) -> ir.Model:
    from nlpkit.quantization import int8

    if source.to == "onnx-int8":
        return int8.dynamic(made, scheme)
    return int8.static(made, scheme, feeds, source.config.calibration)


def _search(
    config: Config, groups: Mapping[str, list[str]], excluded: list[str], drop: float, lost: Any, bar: Any
) -> tuple[list[str], float]:
    """Leave out layers, the most sensitive first, until the drop is small enough.

    The sensitivity of a layer is the drop that is left when it alone stays in float32.

    Returns:
        The nodes that are left out, and the drop with them.
    """
    reporting.current().note(
        f"int8 costs {drop:.2f} points, more than --max-drop {config.max_drop:g}: searching layers to leave in float32"
    )
    candidates = [name for name, nodes in groups.items() if not set(nodes) <= set(excluded)]
    bar.reset(2 * len(candidates))
    left: dict[str, float] = {}
    for name in candidates:
        left[name] = lost([*excluded, *groups[name]])
        bar.advance(1, layer=name)
    for name in sorted(candidates, key=lambda name: left[name]):
        excluded = [*excluded, *groups[name]]
        drop = lost(excluded)
        reporting.current().note(f"{name} left in float32: {drop:.2f} points lost")
        bar.advance()
        if drop <= config.max_drop:
            break
    return excluded, drop


def _calibration(source: _Source, path: Path) -> list[dict[str, Any]]:
    """Single training rows, as inputs of the graph."""
    from nlpkit.models.onnx import OnnxModel

    exported = OnnxModel(path, source.trained.config)
    collate = source.trained.task.collate(source.trained.tokenizer)
    rows = _features(source, "train", source.config.calibration_rows)
    return [exported.fed(collate([row])) for row in rows]


def _features(source: _Source, split: str, count: int) -> list[dict[str, Any]]:
    """Model inputs of examples of a split, drawn at random; at least one."""
    from nlpkit.measurement import speed

    sample = speed.sample(source.examples[split][:], count, source.config.seed)
    return features.inputs(source.trained.task, source.trained.tokenizer, sample)[:count]


# --- the record and what is said of it ---


def _head(source: _Source) -> dict[str, Any]:
    config, trained = source.config, source.trained
    return lifecycle.record_head(
        config,
        COMMAND,
        source.device,
        seed=config.seed,
        task=trained.task.record(),
        parents={
            "model": lifecycle.parent(config.model, config.model_revision, trained.config),
            "data": source.data,
        },
        rows={split: len(rows) for split, rows in source.examples.items()},
        findings=[vars(finding) for finding in source.findings],
    )


def _measured(source: _Source, staged: Path) -> dict[str, Any]:
    """Metrics of the new model, and its price."""
    from nlpkit.metrics import intervals

    task, config, place = source.trained.task, source.config, Path(source.trained.place)
    after, _ = opening.load_model(str(staged), task.auto_class, exported=True)
    evaluated = [split for split in source.examples if split != "train"]
    with reporting.current().progress("evaluate", len(evaluated), "splits") as bar:
        judged: dict[str, Judgement] = {}
        for split in evaluated:
            judged[split] = source.judge(after, split)
            bar.advance()
    metrics = {split: figures for split, (figures, _) in judged.items()}
    split = source.judged
    sides = [
        before_after.Side(
            opening.display_name(config.model),
            source.predictor(source.trained.model),
            before_after.weight_bytes(place) if place.is_dir() else None,
            source.before.get(split),
        ),
        *([_usual_side(source)] if source.usual is not None else []),
        before_after.Side(
            f"{source.to}, portable" if config.portable else source.to,
            source.predictor(after),
            before_after.weight_bytes(staged),
            judged[split],
        ),
    ]
    comparison = before_after.measure(
        sides, source.examples[split], split, seconds=config.measure_seconds, standing=source.standing
    )
    return {
        "metrics": metrics,
        **intervals.record({split: evidence for split, (_, evidence) in judged.items()}, metrics),
        "judged": {name: len(source.examples[name]) for name in evaluated},
        "label_counts": task.view.label_counts(source.examples),
        "main_metric": task.main_metric,
        "table_metrics": list(task.table_metrics),
        "baseline": None,
        "steps": 0,
        "train_seconds": 0.0,
        "parameters": sides[0].predictor.model.num_parameters(),
        "price": comparison,
        "lineage": before_after.lineage(source.trained.record, comparison, COMMAND),
    }


def _usual_side(source: _Source) -> before_after.Side:
    """The graph that is not portable."""
    from nlpkit.models import onnx

    assert source.usual is not None
    model = onnx.opened(source.usual, source.trained.config)
    size = sum(file.stat().st_size for file in files.graphs(source.usual))
    return before_after.Side(source.to, source.predictor(model), size, source.judge(model, source.judged))


def _write(source: _Source, record: dict[str, Any], staged: Path, folder: RunFolder) -> None:
    from nlpkit.experiment import card

    lifecycle.write_results(staged, record["metrics"], 0.0)
    with ornament("the card README.md"):
        card.write(staged / "README.md", record, ())
    folder.finish(record, staged, keep_checkpoints=False)


def _report(source: _Source, record: dict[str, Any], folder: Path) -> Report:
    task, quantization = source.trained.task, record["quantization"]
    lines = before_after.lines(record["price"], task)
    if "largest_difference" in quantization:
        lines.append(
            f"exported logits differ from torch by at most {quantization['largest_difference']:.1g} before quantizing"
        )
    if quantization.get("portable"):
        lines.append(f"every operator is one of ONNX (opset {quantization['opset']}), none of ONNX Runtime's own")
    if "largest_difference_in_batches" in quantization:
        lines.append(
            f"int8 has one scale for a whole batch: with the rows beside it a logit differs by up to "
            f"{quantization['largest_difference_in_batches']:.1g}"
        )
    if quantization.get("excluded"):
        lines.append(f"left in float32: {', '.join(quantization['excluded'])}")
    over = quantization.get("points_lost", {}).get("validation", 0.0) > source.config.max_drop
    failure = f"more than --max-drop {source.config.max_drop:g} points are lost whatever stays in float32"
    if over:
        lines.append(failure)
    kind = registry.task_class(task.name)
    return Report(
        {**record, "output": str(folder)},
        [before_after.table(record["price"])],
        [*lines, f"{folder}: written"],
        next_command=kind.view_type().example_call(folder),
        exit_code=1 if over else 0,
        failure=failure,
    )
