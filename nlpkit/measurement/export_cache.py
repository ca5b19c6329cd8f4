"""Exporting models for ONNX Runtime: checked against torch, and kept in a cache where they are only to be run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nlpkit import reporting
from nlpkit.data import cache
from nlpkit.errors import RunError, UserError
from nlpkit.measurement.spec import Subject, SubjectOptions
from nlpkit.models import files, fitting, opening
from nlpkit.runs.files import write_json
from nlpkit.runs.folder import read_record, versions
from nlpkit.runs.records import RECORD, SCHEMA_VERSION

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

    from nlpkit.measurement.loading import Model
    from nlpkit.models.onnx import OnnxModel
    from nlpkit.tasks.contract import Task

TOLERANCE = 1e-4  # of exported outputs, absolute up to 1 and relative above
WORDS = (5, 8, 2, 1)  # of the texts that an export is made with and checked on
MOST_WRITTEN = 32  # tokens behind which logits of a decoder are compared
FORM = 3  # of graphs: raised where the same model is exported in another way, as with a cache
KIND = "exported"  # of entries of the cache
ROOM = 50_000_000  # bytes without which no export is tried
ELSEWHERE = "NLPKIT_CACHE=FOLDER names another place for it."

Batch = Mapping[str, "torch.Tensor"]


def largest_difference(
    model: Any, exported: Any, batches: Iterable[Batch], read: Callable[[Any, Batch], torch.Tensor], *, hint: str
) -> float:
    """The largest difference between the outputs of a torch model and those of the same one exported.

    Args:
        model: in evaluation mode, or a function that calls it.
        exported: an `OnnxModel`.
        batches: inputs, shape (rows, tokens).
        read: takes what is compared from an output and its batch.
        hint: what to do where they differ.

    Raises:
        UserError: it is too large, or the exported model does not run.
    """
    import torch

    worst = 0.0
    for batch in batches:
        with torch.inference_mode():
            wanted = read(model(**batch), batch)
        rows, width = batch["input_ids"].shape
        try:
            logits = read(exported(**batch), batch)
        except UserError:
            raise
        except Exception as error:  # ONNX Runtime has one for each kind of node
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"the exported model does not run on {rows} rows of {width} tokens: {reason}", hint
            ) from error
        difference = float((logits - wanted).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(wanted.abs().max())):
            raise UserError(
                f"the exported model differs from torch: outputs by up to {difference:.2g} ({rows} rows of {width} "
                f"tokens; {TOLERANCE:g} is allowed)",
                hint,
            )
        worst = max(worst, difference)
    return worst


def graphs_of(
    task: Task | None, model: Any, inputs: Batch, *, fusions: Literal["cuda"] | None = None
) -> dict[str, ir.Model]:
    """The graphs of a model as its task uses it, by the names of their files; with a cache where it writes.

    Args:
        inputs: an example of what it is called with, see `export.export`.

    Raises:
        UserError: the architecture cannot be exported.
    """
    from nlpkit.quantization import export, writers

    whole = Path(files.EXPORTED).stem
    if task is None or not task.writes:
        return {whole: export.export(model, inputs, fusions=fusions, graph=task.graph if task else None)}
    if not model.config.is_encoder_decoder:
        return {whole: writers.decoder_alone(model, fusions=fusions)}
    return dict(zip((files.ENCODER, files.DECODER), writers.encoder_and_decoder(model, fusions=fusions), strict=True))


def asked(task: Task, model: Any, batch: Batch) -> dict[str, Any]:
    """What a model is given of a batch for logits of all of it, wherever rows are padded: what a decoder has written is
    what was read.

    Args:
        model: of transformers, or exported.
    """
    from nlpkit.generation import loop

    made = task.model_inputs(batch)
    if not task.writes:
        return made
    if not model.config.is_encoder_decoder:
        if "position_ids" not in loop.taken_by(model):
            return made
        return {**made, "position_ids": (made["attention_mask"].cumsum(-1) - 1).clamp(min=0)}
    vocabulary = getattr(model.config, "decoder", model.config).vocab_size
    return {**made, "decoder_input_ids": made["input_ids"][:, :MOST_WRITTEN] % vocabulary}


def ways_to_run(task: Task | None, exported: OnnxModel) -> list[Callable[..., Any]]:
    """How an exported model is run, each of which is to give what torch gives."""
    from nlpkit.quantization import writers

    return [exported, partial(writers.in_two_steps, exported)] if task is not None and task.writes else [exported]


# --- the cache ---


def exported_folder(subject: Subject, options: SubjectOptions) -> Path:
    """The folder of a subject as its backend runs it, exported when it is asked for first.

    It has what `nlpkit quantize` writes: config, tokenizer and task where there are some, and the ONNX file. int8 is
    dynamic, with all layers quantized. The export runs in a process of its own, so that what it takes is no part of
    what is measured.

    Raises:
        UserError: a package is missing, or the architecture cannot be exported.
        RunError: there is no room for it.
    """
    require_packages(f"the backend {subject.backend}")
    # the group alone: with the config of a command the process would import that command
    own = {name: getattr(options, name) for name in SubjectOptions.model_fields}

    def export(folder: Path) -> None:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(_export, subject, SubjectOptions(**own), folder).result()

    entry = cache.kept(KIND, _key(subject, options), export)
    if entry is None:
        raise RunError(f"{subject.name} has to be exported, and the cache has no room for it", ELSEWHERE)
    return entry.path


@contextlib.contextmanager
def room_for(subjects: Iterable[Subject]) -> Iterator[None]:
    """Let what is started in the block export these.

    Exports go into the cache; where that cannot be written, which is said, into a temporary folder.
    """
    here = any(subject.exported and files.exported_file(subject.model) is None for subject in subjects)
    reason = cache.why_unusable(KIND, ROOM) if here else None
    if reason is None:
        yield
        return
    reporting.current().note(f"cache of {KIND}: {reason}; going on without")
    before = os.environ.get("NLPKIT_CACHE")
    with tempfile.TemporaryDirectory(prefix="nlpkit-") as place:
        os.environ["NLPKIT_CACHE"] = place
        try:
            yield
        finally:
            del os.environ["NLPKIT_CACHE"]
            if before is not None:
                os.environ["NLPKIT_CACHE"] = before


def require_packages(what: str) -> None:
    """Check that models can be exported.

    Args:
        what: needs it, for the message.

    Raises:
        UserError: something is not installed.
    """
    import importlib.util

    needed = ("onnx", "onnxscript", "onnxruntime")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise UserError(f"{what} needs {', '.join(missing)}", "pip install 'nlpkit[onnx]'")
    if importlib.util.find_spec("transformers.exporters.quantizers") is None:
        raise UserError(f"{what} needs transformers 5.21 or newer", "pip install 'nlpkit[onnx]'")


def _key(subject: Subject, options: SubjectOptions) -> str:
    """A hash of all that decides what is exported."""
    from importlib import metadata

    from nlpkit.measurement import loading
    from nlpkit.quantization import int8

    parts: dict[str, Any] = {
        "form": FORM,
        "backend": subject.backend,
        "overrides": dict(subject.overrides),
        "reduced": int8.needs_reduced_range(),
        "versions": {**versions(), **{name: metadata.version(name) for name in ("onnx", "onnxscript")}},
        "tokenizer": options.tokenizer,
    }
    if options.config_only:
        parts |= {"config": loading.random_config(subject, options).to_dict(), "seed": options.seed}
    else:
        parts |= _content(opening.resolve(subject.model, "MODEL"), options)
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


def _content(place: str, options: SubjectOptions) -> dict[str, Any]:
    """What identifies the weights of a folder, or of a commit on the hub."""
    config = opening.load_config(place, revision=options.model_revision, trust_remote_code=options.trust_remote_code)
    content: dict[str, Any] = {"place": place, "config": config.to_dict()}
    if not Path(place).is_dir():
        return {**content, "revision": options.model_revision, "commit": getattr(config, "_commit_hash", None)}
    files = sorted(file for file in Path(place).resolve().iterdir() if file.is_file() and file.name != RECORD)
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return {**content, "files": stats, "task": options.task or (read_record(place) or {}).get("task")}


def _export(subject: Subject, options: SubjectOptions, folder: Path) -> None:
    """Write the files of a folder; in a process of its own."""
    from nlpkit import process

    process.apply(verbose=False)
    from nlpkit.hardware.devices import Device
    from nlpkit.measurement import loading
    from nlpkit.models import onnx
    from nlpkit.quantization import export, int8

    hint = f"Leave {subject.backend} out of --backends."
    model = loading.open_torch(subject, options, Device("cpu", "fp32", "cpu, fp32"))
    batches = _batches(model)
    try:
        made = graphs_of(model.task, model.net, batches[0])
    except UserError as error:
        raise UserError(error.message, hint) from error
    for graph in made.values():
        export.finish(graph, model.net, fused=False)
    place = folder if len(made) == 1 else folder / files.ONNX_FOLDER
    place.mkdir(exist_ok=True)
    path = export.save_all(made, place)

    def read(outputs: Any, batch: Batch) -> torch.Tensor:
        return model.task.logits(outputs, batch) if model.task else outputs["last_hidden_state"]

    def whole(**batch: torch.Tensor) -> Any:
        return model.task.graph(model.net, batch) if model.task else model.net(**batch)

    for way in ways_to_run(model.task, onnx.opened(path, model.config)):
        largest_difference(whole, way, batches, read, hint=hint)
    if subject.backend == "onnx-int8":
        scheme = int8.Scheme(reduce_range=int8.needs_reduced_range())
        export.save_all({name: int8.dynamic(graph, scheme) for name, graph in made.items()}, place)
    model.config.architectures = [type(model.net).__name__]
    fitting.remember_first_position(model.config, model.net)
    model.config.save_pretrained(folder)
    if model.task is not None and model.task.writes:
        model.net.generation_config.save_pretrained(folder)
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(folder)
    if model.task is not None:
        write_json(folder / RECORD, {"schema_version": SCHEMA_VERSION, "task": model.task.record()})


def _batches(model: Model) -> list[dict[str, torch.Tensor]]:
    """Inputs as the model will be given them, of several lengths; the first has several rows and tokens."""
    from nlpkit.measurement import workloads

    if model.tokenizer is None:
        longest = model.most or max(WORDS)
        return [workloads.random_batch(model, i % 2 + 1, min(n, longest), i) for i, n in enumerate(WORDS, start=1)]
    texts = [" ".join(["the"] * count) for count in WORDS]
    columns: dict[str, list[Any]] = {"text": texts}
    if model.task is not None:
        reader = model.task.reader()
        examples = [reader.unlabelled(dict.fromkeys(reader.input_columns, text)) for text in texts]
        columns = {name: [example[name] for example in examples] for name in examples[0]}
    made = workloads.inputs_of(model, columns)
    batches = [batch for size in (2, 1) for batch in workloads.batches_of(model, made, size)]
    return [asked(model.task, model.net, batch) if model.task else batch for batch in batches]
