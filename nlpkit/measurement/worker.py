"""The process that one model of `nlpkit benchmark` is measured in: `python -m nlpkit.measurement.worker`.

It reads a request a line from standard input and answers each with a line on standard output, JSON both ways, until the
input ends. What goes wrong is an answer too; see `Worker` for the requests.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nlpkit import process, reporting
from nlpkit.data.findings import SHOWN
from nlpkit.data.places import user_columns
from nlpkit.errors import NlpkitError, RunError, UserError
from nlpkit.experiment import inherited_data
from nlpkit.measurement.options import BenchmarkOptions
from nlpkit.measurement.spec import Mode, Opened, Point, Subject
from nlpkit.models import opening
from nlpkit.runs.folder import read_record
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.measurement.loading import Model
    from nlpkit.measurement.workloads import Workload

GIGABYTE = 1_000_000_000
SMALL = 8  # tokens


class TooLong(Exception):
    """A point has more tokens than the model takes."""


@dataclass
class BenchmarkRows:
    """The rows that a model is measured on.

    Attributes:
        columns: examples of its task; without one: `text`.
        split: that they are of.
        labelled: whether the task can judge them.
        note: why they are not labelled, for people.
        findings: what is odd about them, such as rows that are left out.
        notes, warnings: what was said while the files were read.
    """

    columns: Dataset | dict[str, list[Any]]
    split: str
    labelled: bool = False
    note: str | None = None
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.as_lists()[next(iter(self.as_lists()))])

    def as_lists(self) -> Mapping[str, Sequence[Any]]:
        """Columns of equal length."""
        return self.columns if isinstance(self.columns, dict) else self.columns[:]


class Worker:
    """One model, and the calls of the point that is measured.

    A request names a method (`op`) and gives its arguments; what the method returns is the answer.
    """

    def __init__(self) -> None:
        self.subject: Subject
        self.config: BenchmarkOptions
        self.model: Model
        self.workload: Workload | None = None
        self._begun: set[Mode] = set()
        self._away = self._cold = False  # whether the model is off its device; whether its memory there was given back
        self._rows: BenchmarkRows | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked; whatever goes wrong is said, with what it was: `error`, `message`, `hint`.

        `ended` says that the process can be asked no more.
        """
        try:
            return {"ok": True, **getattr(self, f"op_{request.pop('op')}")(**request)}
        except Exception as error:
            answer = _explained(error)
            if _is_broken(error):
                return {**answer, "ended": True}
            # it holds the frames, and they what did not fit
            traceback.clear_frames(error.__traceback__)
        self._drop()
        return answer

    def op_ready(self) -> dict[str, Any]:
        """Nothing; the answer comes when the libraries are imported."""
        return {}

    def op_open(
        self, subject: Mapping[str, Any], config: Mapping[str, Any], held_out: bool = False, others: bool = False
    ) -> dict[str, Any]:
        """Open a model: `opened`, see `spec.Opened`.

        Args:
            config: the command's options.
            held_out: whether the data are those of a run, of which a part was held out.
            others: whether other models are on the same device, which take turns with this one.
        """
        from nlpkit.hardware import devices, energy, memory, nvml, timing
        from nlpkit.measurement import backends, before_after, loading

        self.subject, self.config, self.held_out = Subject.from_json(subject), BenchmarkOptions(**config), held_out
        self.others = others
        self.device = device = devices.choose(self.config)
        _limit_memory(self.config.memory_limit, device.name)
        before = memory.whole_gpu() if device.name.startswith("cuda") else 0
        self.trains = self.config.mode == "training"
        with reporting.listening() as heard:
            self.model = model = backends.open_model(self.subject, self.config, device, self.config, trains=self.trains)
        self.device = model.device
        self.traits = None if model.exported else loading.traits(model.net)
        self.synchronize = timing.synchronizer(self.device.name)
        self.meter = memory.meter(self.device.name, exported=model.exported, before=before)
        memory.release()
        self.synchronize()
        self.energy = energy.counter(self.device.name)
        gpu = nvml.gpu() if self.device.name == "cuda" else None
        self.gpu = gpu if isinstance(gpu, nvml.Gpu) else None
        task = model.task if isinstance(model.task, Judged) else None
        opened = Opened(
            device=self.device.described,
            architecture=model.architecture,
            parameters=model.net.num_parameters(),
            bytes=before_after.weight_bytes(model.folder) if model.folder else None,
            load_seconds=model.seconds,
            max_length=model.limit,
            idle_bytes=self.meter.in_use(),
            task=model.task.name if model.task else None,
            main_metric=task.main_metric if task else None,
            higher_is_better=task.higher_is_better(task.main_metric) if task else True,
            memory_method=self.meter.method,
            energy_method=self.energy.method if self.energy else "",
            # a note too: vectors of a pooling that is a guess are compared with others here
            remarks=[
                *dict.fromkeys([*heard.warnings, *heard.notes]),
                *(nvml.sharing() if self.device.name.startswith("cuda") else []),
            ],
        )
        return {"opened": asdict(opened)}

    def op_score(self) -> dict[str, Any]:
        """Judge the model on all rows of the split: the names of the answer are `metrics` and those of `BenchmarkRows`.

        Metrics are null where there are no labels, which the note tells the reason of, or there is no task; else the
        note tells of texts that were not read to their end. What `notes` and `warnings` say is of the data alone.
        """
        import torch

        from nlpkit.inference.predictor import Predictor

        self._return()
        rows, model = self.rows, self.model
        metrics, note = None, rows.note
        task = model.task
        if isinstance(task, Judged) and rows.labelled:
            predictor = Predictor(task, model.weights, model.tokenizer, model.device)
            # compiled code would be made anew for many a shape, and answers the same
            with torch.compiler.set_stance("force_eager"):
                outputs = predictor.outputs(rows.as_lists())
            cut = predictor.cut.finding(task, rows.split, settable=False)
            note = str(cut) if cut is not None else note
            model.task = task = task.with_conventions(outputs)
            scores = task.score(outputs, rows.columns)
            # JSON has no NaN
            metrics = {name: float(value) if math.isfinite(value) else None for name, value in scores.items()}
        known = {"split": rows.split, "rows": rows.count, "note": note, "findings": rows.findings}
        return {"metrics": metrics, **known, "notes": rows.notes, "warnings": rows.warnings}

    def op_prepare(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Make the inputs of a point: `calls`, `samples` and `tokens` of a pass. The peak of memory starts here."""
        from nlpkit.measurement import workloads

        if self.workload is not None:
            self._drop()
        self._return()
        wanted = Point(**point)
        self._suit(wanted.mode)
        self._begin(wanted.mode)
        self._restore()
        model = self.model
        asked = wanted.length
        if asked is not None and wanted.mode == "decode" and not model.config.is_encoder_decoder:
            asked += self.config.new_tokens
        if asked is not None and model.most is not None and asked > model.most:
            more = "; :max_position_embeddings=N gives it more" if self.config.config_only else ""
            raise TooLong(f"the model takes {model.most} tokens{more}")
        features = self._features() if wanted.length is None else []
        self.before = self.meter.start()
        if wanted.length is None:
            trains = wanted.mode == "training"
            batches = workloads.batches_of(model, features, wanted.batch_size, trains=trains)
            samples = self._sampled
        else:
            batches = [workloads.random_batch(model, wanted.batch_size, wanted.length, self.config.seed)]
            samples = wanted.batch_size
        if self.subject.backend == "torch-compile":
            # as large as it is; for rows one that takes any size
            model.net.compile(dynamic=wanted.length is None)
        if wanted.mode == "training":
            self.workload = workloads.training(model, batches, samples)
        elif wanted.mode == "prefill":
            self.workload = workloads.prefill(model, batches[0], samples)
        elif wanted.mode == "decode":
            self.workload = workloads.decode(model, batches[0], samples, self.config.new_tokens)
        else:
            self.workload = workloads.inference(model, batches, samples, served=wanted.length is None)
        return {"calls": len(self.workload.calls), "samples": samples, "tokens": self.workload.tokens}

    def op_warm(self, seconds: float) -> dict[str, Any]:
        """Make calls until they have settled: `calls`, `seconds`, `stable`, `pass_seconds`."""
        from nlpkit.hardware import timing

        compiling = self._compile() if self.subject.backend == "torch-compile" else 0.0
        warmup = timing.warm(self._prepared.calls, seconds, self.synchronize)
        self._make_room()
        return {**asdict(warmup), "seconds": warmup.seconds + compiling}

    def _compile(self) -> float:
        """Make a pass, which compiles, in that many seconds; memory is looked at from here on."""
        from nlpkit.hardware import memory, timing

        seconds = sum(timing.timed(self._prepared.calls, 1, self.synchronize))
        self._prepared.forget()
        memory.release()
        self.before = self.meter.start()
        return seconds

    def op_turn(self, passes: int, warm: bool = True) -> dict[str, Any]:
        """Time passes: `seconds` of each call, `joules` of all (null where nothing counts them), and how the GPU is
        `before` and `after` (see `nvml.Gpu.state`; null where it does not tell), with `strangers` on it.

        Args:
            passes: how many.
            warm: whether a call that is not timed goes before, as another model has used the caches since. On a GPU it
                is a whole pass, in which the memory that was given back is taken again for each shape.
        """
        from nlpkit.hardware import timing

        calls = self._prepared.calls
        if warm or self._cold:
            for call in calls if self.device.name != "cpu" else calls[:1]:
                call()
        before = self._state()  # of a GPU that is at work
        self.synchronize()  # what the device still does is no part of what is counted
        self._cold = False

        def work() -> tuple[list[float], dict[str, Any] | None]:
            return timing.timed(calls, passes, self.synchronize), self._state()

        (seconds, after), joules = (work(), None) if self.energy is None else self.energy.of(work)
        strangers = self.gpu.strangers() if self.gpu else None
        self._make_room()
        return {"seconds": seconds, "joules": joules, "before": before, "after": after, "strangers": strangers}

    def op_forget(self) -> dict[str, Any]:
        """Drop the point: what it holds is not to be there while other models get ready for the next."""
        self._drop()
        return {}

    def op_release(self) -> dict[str, Any]:
        """Give back what is held of the device, for a model that does not fit beside it; a model that is scored, or
        prepared for a point, comes back.
        """
        from nlpkit.hardware import memory

        self._drop(reopen=False)
        if hasattr(self, "model"):
            self._away = True
            if not self.model.exported:
                self.model.net.to("cpu")
            memory.release()
        return {}

    def op_memory(self) -> dict[str, Any]:
        """Memory since the last point was prepared: `peak_bytes`, and what was in use then: `before_bytes`."""
        return {"peak_bytes": self.meter.peak(), "before_bytes": self.before}

    def op_flops(self) -> dict[str, Any]:
        """Operations of a pass: `flops`, null where they cannot be counted."""
        from nlpkit.measurement import flops

        if self.config.mode == "writing":  # of calls that hang on those before them
            return {"flops": None}
        return {"flops": flops.of_pass(self.model, self._prepared)}

    def op_probe(self) -> dict[str, Any]:
        """Rate of dense matrix products here and now: `flops_per_second`."""
        from nlpkit.hardware import devices

        return {"flops_per_second": devices.measured_matmul_rate(self.model.device)}

    # --- what the requests share ---

    @property
    def _prepared(self) -> Workload:
        assert self.workload is not None, "no point is prepared"
        return self.workload

    @property
    def rows(self) -> BenchmarkRows:
        """The rows of the split, read when they are asked for first."""
        if self._rows is None:
            with reporting.listening() as heard:
                rows = read_rows(self.model, self.subject.model, self.config, held_out=self.held_out)
            # findings are told to the reporter too
            rows.notes = [text for text in dict.fromkeys(heard.notes) if text not in rows.findings]
            rows.warnings = [text for text in dict.fromkeys(heard.warnings) if text not in rows.findings]
            self._rows = rows
        return self._rows

    def _features(self) -> list[dict[str, Any]]:
        """Model inputs of the rows that are drawn for speed."""
        from nlpkit.measurement import speed, workloads

        drawn = speed.sample(self.rows.as_lists(), self.config.sample_rows, self.config.seed)
        self._sampled = len(next(iter(drawn.values())))
        return workloads.inputs_of(self.model, drawn)

    def _state(self) -> dict[str, Any] | None:
        return self.gpu.state() if self.gpu else None

    def _make_room(self) -> None:
        """Give the memory of a GPU that no tensor holds to the models that are measured beside this one."""
        import torch

        if self.others and self.device.name != "cpu":
            (torch.mps if self.device.name == "mps" else torch.cuda).empty_cache()
            self._cold = True

    def _return(self) -> None:
        """Bring the model back to its device, after `op_release`."""
        if self._away and hasattr(self, "model"):
            self.model.net.to(self.device.name)
            if self.model.exported:
                self.model.net.session  # noqa: B018 (opens it)
        self._away = False

    def _restore(self) -> None:
        """Open the model anew where the last point has changed it, so that no point depends on those before it."""
        from nlpkit.measurement import loading

        opened = hasattr(self, "model")  # not where the last try to open it has failed
        if not opened or (self.traits is not None and self.traits != loading.traits(self.model.net)):
            self._reopen()

    def _suit(self, mode: Mode) -> None:
        """Open the model anew where its weights are not of the type that a mode needs: float32 to be trained."""
        from nlpkit.inference import weights

        trains = mode == "training"
        if trains != self.trains and weights.is_held_on(self.device):
            self.trains = trains
            self._reopen()

    def _reopen(self) -> None:
        from nlpkit.hardware import memory
        from nlpkit.measurement import backends

        if hasattr(self, "model"):
            del self.model
        memory.release()
        self.model = backends.open_model(self.subject, self.config, self.device, self.config, trains=self.trains)

    def _begin(self, mode: Mode) -> None:
        """Make a small call, the first of its kind: what libraries take with it, and keep, is no part of a point."""
        import torch

        from nlpkit.measurement import workloads

        if mode in self._begun or not hasattr(self, "model"):
            return
        self._begun.add(mode)
        batch = workloads.random_batch(self.model, 1, min(SMALL, self.model.limit or SMALL), self.config.seed)
        # what cannot be done here cannot be done at the point either, or it is a matter of the length
        with contextlib.suppress(Exception), torch.compiler.set_stance("force_eager"):
            if mode == "training":
                workloads.training(self.model, [batch], 1).calls[0]()
            else:
                workloads.inference(self.model, [batch], 1, served=False).calls[0]()
        del batch
        self._drop()

    def _drop(self, *, reopen: bool = True) -> None:
        """Forget the point: its inputs, gradients, the optimizer, compiled code, and what a session keeps.

        Args:
            reopen: whether a session of ONNX Runtime is opened anew.
        """
        import torch

        from nlpkit.hardware import memory

        self.workload = None
        if not hasattr(self, "model"):  # it did not fit: what there was of it is not to stand in the way of others
            memory.release()
            return
        net = self.model.net
        if self.model.exported:
            net.close()
        else:
            net.eval().zero_grad(set_to_none=True)
        if self.subject.backend == "torch-compile":
            torch.compiler.reset()
        memory.release()
        if self.model.exported and reopen and not self._away:
            try:
                net.session  # noqa: B018 (opens a fresh one, whose weights are no part of the next point)
            except RunError:  # there is no memory for it now
                self._away = True


def _is_broken(error: Exception) -> bool:
    """Whether the GPU gives this process nothing but errors from now on, as behind an assertion in a kernel."""
    import torch

    from nlpkit.hardware import memory

    return isinstance(error, torch.AcceleratorError) and not memory.is_exhausted(error)


def _explained(error: Exception) -> dict[str, Any]:
    from nlpkit.hardware import memory
    from nlpkit.measurement.loading import first_line

    traceback.print_exception(error)  # to standard error, which the one that asks may look at
    kind = "failed"
    if isinstance(error, UserError):
        kind = "user"
    elif isinstance(error, TooLong):
        kind = "too long"
    elif memory.is_exhausted(error):
        kind = "out of memory"
    message = error.message if isinstance(error, NlpkitError) else first_line(error)
    return {"error": kind, "message": message, "hint": getattr(error, "hint", None)}


def _limit_memory(gigabytes: float | None, device: str) -> None:
    """Let allocations fail beyond this.

    Raises:
        UserError: the system cannot do that.
    """
    if gigabytes is None:
        return
    if sys.platform != "linux" or device != "cpu":
        where = device if sys.platform == "linux" else sys.platform
        raise UserError(f"--memory-limit is for the CPU of a Linux machine, not for {where}", "Leave it out.")
    import resource

    size = int(gigabytes * GIGABYTE)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


# --- rows ---


def read_rows(model: Model, name: str, config: BenchmarkOptions, *, held_out: bool = False) -> BenchmarkRows:
    """The rows of the split: labelled where they have what the task takes for labels.

    Args:
        name: of the model, as it was given.
        held_out: whether the data are those of a run, of which a part was held out; of other data all rows are used.

    Raises:
        UserError: there is no such split, no row can be read, or labels were named and are not there.
    """
    from nlpkit.data import splits
    from nlpkit.tasks.options import TextOptions

    if model.task is None:
        if model.tokenizer is None:
            raise UserError("the model has no tokenizer for rows", "Name one with --tokenizer.")
        return _texts(config.with_group(TextOptions, "no task"))
    task = model.task
    config = config.for_task(type(task))
    of_labels = set(task.column_options.model_fields) - set(task.predict_options.model_fields)
    record = read_record(opening.resolve(name, "MODEL"))
    keys = None if held_out else inherited_data.train_keys(record, name, task)
    try:
        reader, loaded, examples, findings = inherited_data.open_splits(
            config, task, seed=config.seed, needs=(), training=held_out
        )
    except UserError as error:
        if any(getattr(config, name) for name in of_labels):
            raise
        try:
            rows = _inputs(model, config)
        except UserError:
            raise error from None
        rows.note = f"no metrics: {error.message}"
        return rows
    model.task = reader.task
    split = _split_of(examples, loaded, config)
    warnings = [str(finding) for finding in findings if finding.level == "warning"]
    if not held_out:
        warnings += inherited_data.overlap(record, name, keys, reader, loaded, [split])
    found = BenchmarkRows(examples[split], splits.title(loaded, split), labelled=True, findings=warnings)
    if isinstance(model.task, Judged) and not model.task.main_metric:
        found.labelled, found.note = False, "no metrics: nothing in these rows tells which answers are right"
    return found


def _inputs(model: Model, config: BenchmarkOptions) -> BenchmarkRows:
    """What the task reads of rows without labels; rows that it cannot read are left out.

    Raises:
        UserError: there is none.
    """
    from nlpkit.data import splits
    from nlpkit.tasks import registry

    assert model.task is not None
    task = model.task.configured(config)
    loaded = splits.load(config, type(task), labelled=False)
    split = _split_of(loaded.splits, loaded, config)
    rows = loaded.splits[split]
    with registry.pointing_elsewhere(type(task), rows, registry.OTHER_MODEL):
        reader = task.reader(user_columns(rows.column_names), config, labelled=False)
    model.task = reader.task
    inputs, bad = [], []
    for row, where in zip(rows, loaded.places(rows, split), strict=True):
        try:
            inputs.append(reader.inputs(row))
        except ValueError as error:
            bad.append(f"{where}: {error}")
    if not inputs:
        raise UserError(f"{split}: no row can be read", "Check --data and --text-column.")
    return BenchmarkRows(
        {name: [entry[name] for entry in inputs] for name in inputs[0]},
        splits.title(loaded, split),
        findings=[f"{len(bad):,} of {len(rows):,} rows cannot be read and are left out{_listed(bad)}"] if bad else [],
    )


def _listed(places: Sequence[str]) -> str:
    """The first few of them, a line each."""
    return "".join(f"\n    {place}" for place in places[:SHOWN])


def _texts(config: BenchmarkOptions) -> BenchmarkRows:
    """The texts of rows, for a model without a task; empty ones are left out.

    Args:
        config: with the `TextOptions`.

    Raises:
        UserError: there is none, or it is not clear which column holds them.
    """
    from nlpkit.data import corpus, splits
    from nlpkit.tasks.options import TextOptions

    loaded = splits.load(config, None)
    split = _split_of(loaded.splits, loaded, config)
    rows = loaded.splits[split]
    names = user_columns(rows.column_names)
    column = corpus.text_column(names, TextOptions.of(config).text_column, split)
    texts = [str(text) for text in rows[column][:] if text is not None and str(text).strip()]
    if not texts:
        raise UserError(f"{split}: column '{column}' holds no text", "Name another: --text-column.")
    empty = len(rows) - len(texts)
    warnings = [f"{empty:,} of {len(rows):,} rows have no text in column '{column}' and are left out"] if empty else []
    return BenchmarkRows({"text": texts}, splits.title(loaded, split), findings=warnings)


def _split_of(names: Collection[str], loaded: LoadedData, config: BenchmarkOptions) -> str:
    """The split that was asked for; else a test split that was taken out of another one, validation, test, or any.

    Raises:
        UserError: there is no such split.
    """
    from nlpkit.data import splits

    if not names:
        raise UserError("there is no row that can be used", "`nlpkit check-data` tells why.")
    if config.split is None:
        usual = (*loaded.source.drawn, "validation", "test")
        return next((split for split in usual if split in names), next(iter(names)))
    return splits.require(config.split, names, loaded)


# --- the process ---


def main() -> None:
    """Answer requests until there are no more."""
    process.apply(verbose=False)
    requests, answers = process.own_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks, who ends this process
    process.offer_to_be_killed()

    process.silence_transformers()
    worker = Worker()
    for line in requests:
        answer = worker.answer(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if answer.get("ended"):
            os._exit(1)  # what a GPU is to be told at the end would fail


if __name__ == "__main__":
    main()
