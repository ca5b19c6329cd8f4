"""What `prune` does to a model before it is trained again: pieces and structures are cut, masks are put on weights."""

from __future__ import annotations

import copy
import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import field_validator

from nlpkit import process, reporting
from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor
from nlpkit.measurement import speed
from nlpkit.measurement.before_after import ComparisonOptions
from nlpkit.models import opening
from nlpkit.options import (
    AtCommas,
    CorpusOptions,
    JudgedSplitsOptions,
    OnlyWith,
    RunOptions,
    Strings,
    option,
    option_like,
)
from nlpkit.runs.folder import RunFolder, read_record
from nlpkit.tasks import features
from nlpkit.tasks.contract import BOOKKEEPING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset

    from nlpkit.hardware.devices import Device
    from nlpkit.inference.predictor import Trained
    from nlpkit.measurement.workloads import Workload
    from nlpkit.models.structures import Structure
    from nlpkit.pruning.masks import Prunable
    from nlpkit.pruning.search import Kind, Planner
    from nlpkit.pruning.trainer import Sparsifier
    from nlpkit.tasks.roles import Trainable

START = "start"  # beside the checkpoints: the model as training found it, see `KeepStart`
STRUCTURES: tuple[Kind, ...] = ("ffn", "heads", "layers")
HIGHEST = 0.95  # sparsity up to which --max-drop looks
TRIES = 6  # models that it measures: halving leaves steps of 1.5 % of sparsity
CALIBRATION_BATCH = 32  # rows
CHECK_SECONDS = 4.0  # for which a planned structure is timed beside the whole model
GROWN = 2.0  # Validation whose tokens grow by more than so many times --max-growth is not like train,
LEAST_GROWN = 0.5  # counted from so many percent: with fewer a word more or less decides.


Kinds = Annotated[list[Literal["weights", "ffn", "heads", "layers", "vocabulary"]], AtCommas]
Included = Annotated[list[Literal["embeddings", "biases"]], AtCommas]
Shares = Annotated[list[float], AtCommas]


OF_WEIGHTS = OnlyWith(("what",), ("weights",))
OF_STRUCTURES = OnlyWith(("what",), STRUCTURES)
IN_TRAINING = OnlyWith(("epochs",), why=" asks for training, and there is none", hint="Give --epochs.")


class CuttingOptions(JudgedSplitsOptions, RunOptions, ComparisonOptions):
    """What is cut, how much, by which criterion, and how the model recovers."""

    what: Kinds = option(
        [],
        "weights, or any of ffn, heads, layers, vocabulary.",
        panel="Pruning",
        metavar="KIND,...",
        shown_default="weights; vocabulary with --vocab-from",
    )
    sparsity: float | None = option(None, "Share to remove.", panel="Pruning", gt=0, lt=1)
    target_speedup: float | None = option(
        None,
        "Remove structures until it is N times as fast on this machine.",
        panel="Pruning",
        gt=1,
        only_with=OnlyWith(("what",), STRUCTURES, hint="Zeros among the weights make no dense kernel faster."),
    )
    max_drop: float | None = option(
        None,
        "Remove as much as possible while the main metric falls by at most N points on validation, before recovery.",
        panel="Pruning",
        gt=0,
    )
    sweep: Shares = option(
        [], "Sparsities: make a run of each, and a plot of them all.", panel="Pruning", metavar="X,Y,..."
    )
    vocab_from: Strings = option(
        [],
        "Vocabulary: also keep the pieces that this text needs (repeatable, glob).",
        panel="Pruning",
        metavar="FILE",
    )
    max_growth: float = option(
        1.0,
        "Vocabulary: keep enough pieces that text that was not read has at most N % more tokens.",
        panel="Pruning",
        ge=0,
        only_with=OnlyWith(("what",), ("vocabulary",)),
    )
    criterion: Literal["magnitude", "random", "movement", "gradient"] | None = option(
        None,
        "Measure of importance. Weights: magnitude, random, movement; structures: gradient (times weight), magnitude.",
        panel="Pruning",
        metavar="NAME",
        shown_default="magnitude for weights, gradient for structures",
    )
    scope: Literal["layer", "global"] = option(
        "layer",
        "Prune the same share of each tensor, or the share of all tensors together.",
        panel="Pruning",
        only_with=OF_WEIGHTS,
    )
    include: Included = option(
        [], "Also prune these weights: embeddings, biases.", panel="Pruning", metavar="NAME,...", only_with=OF_WEIGHTS
    )
    rounds: int = option(
        1,
        "Prune N times, evenly over the training.",
        panel="Pruning",
        ge=1,
        only_with=(OF_WEIGHTS, IN_TRAINING),
    )
    sparsity_schedule: Literal["cubic", "linear"] = option(
        "cubic",
        "Course of the sparsity over rounds or, with movement, steps.",
        panel="Pruning",
        only_with=OF_WEIGHTS,
    )
    per_layer: bool = option(
        False,
        "Layers of different FFN widths; opened with nlpkit.load.",
        panel="Pruning",
        only_with=OF_STRUCTURES,
    )
    calibration_rows: int = option(
        512,
        "Rows of train that importance is measured on.",
        panel="Pruning",
        ge=1,
        only_with=OF_STRUCTURES,
    )
    epochs: float = option_like(
        RunOptions,
        "epochs",
        1.0,
        "Passes over the train split to recover; 0 = none.",
        gt=None,
        ge=0,
        shown_default="1; 0 where only the vocabulary is pruned",
    )
    distill: bool = option(
        False, "Recover with the unpruned model as a teacher.", panel="Training", only_with=IN_TRAINING
    )

    @field_validator("sweep")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if any(not 0 < share < 1 for share in value):
            raise ValueError("a sparsity is between 0 and 1")
        return sorted(set(value))


@dataclass
class PrunedModel:
    """A model on its way to being smaller.

    Attributes:
        task: of this model: what it settles on validation is not that of the unpruned one.
        teacher: a copy of the model with its vocabulary and nothing else cut, where training asks for one.
        sparsifier: sets the masks on weights; None where there are none.
        record: JSON values, in nlpkit.json under `pruning`.
        notes: lines for the plan.
    """

    task: Trainable
    model: Any
    tokenizer: Any
    teacher: Any = None
    sparsifier: Sparsifier | None = None
    record: dict[str, Any] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)


def cut(
    config: CuttingOptions, trained: Trained, examples: Mapping[str, Dataset], device: Device, folder: RunFolder
) -> PrunedModel:
    """Cut a copy of a model as the options of `prune` say.

    Args:
        examples: `train`, on which importance is measured, and `validation`, on which losses are.
        folder: of the run; a resumed one goes on with what was cut there.

    Raises:
        UserError: the architecture does not allow it, or the target cannot be reached.
    """
    made = PrunedModel(trained.task, copy.deepcopy(trained.model), trained.tokenizer)
    before = (read_record(folder.path) or {}).get("pruning", {}) if config.resume else {}
    if "vocabulary" in config.what:
        _vocabulary(config, made, examples)
    if config.distill:
        made.teacher = copy.deepcopy(made.model)
    judge = _Judge(trained, made, examples["validation"], device)
    if "weights" in config.what:
        _weights(config, made, before, judge)
    elif set(config.what) & set(STRUCTURES):
        start = folder.checkpoints / START
        if before and start.exists():
            made.model, _ = opening.load_model(str(start), made.task.auto_class)
            made.record |= before
        else:
            _structures(config, trained, made, examples, device, judge)
    return made


class _Judge:
    """How many points of the main metric a model loses on validation, against the unpruned one."""

    def __init__(self, trained: Trained, made: PrunedModel, examples: Dataset, device: Device) -> None:
        self.trained, self.made, self.examples, self.device = trained, made, examples, device
        self.unpruned: dict[str, float] | None = None

    def __call__(self, model: Any) -> float:
        if self.unpruned is None:
            self.unpruned = self._metrics(self.trained.task, self.trained.model, self.trained.tokenizer)
        return self.made.task.points_lost(self.unpruned, self._metrics(self.made.task, model, self.made.tokenizer))

    def _metrics(self, task: Trainable, model: Any, tokenizer: Any) -> dict[str, float]:
        outputs = Predictor(task, model, tokenizer, self.device).outputs(self.examples[:])
        return task.score(outputs, self.examples)


# --- the vocabulary ---


def _vocabulary(config: CuttingOptions, made: PrunedModel, examples: Mapping[str, Dataset]) -> None:
    """Keep the pieces that the train split and the user's text need, and as many others as other text needs."""
    from nlpkit.data.corpus import Corpus
    from nlpkit.pruning import unread, vocabulary

    texts: Iterator[str] = iter(())
    if config.vocab_from:
        corpus = Corpus(CorpusOptions(), config.vocab_from)
        texts = itertools.chain.from_iterable(batch.texts for batch in corpus.batches())
    named = vocabulary.pieces_of(made.tokenizer, vocabulary.count_ids(made.tokenizer, texts))
    train = examples["train"]
    out = unread.left_out(len(train))
    rest, others = (named | pieces for pieces in _pieces_of_train(made, train, out))
    sample = unread.sampled(out)
    choice = unread.choose(
        made.tokenizer,
        rest | others,
        rest,
        partial(made.task.tokens_in, examples=train.select(sample)[:]),
        rows=len(sample),
        max_growth=config.max_growth,
    )
    validation = examples["validation"][:]
    before = made.task.tokens_in(made.tokenizer, validation)
    made.model, made.tokenizer, report = vocabulary.keep_pieces(
        made.model, made.tokenizer, (), more=rest | others | set(choice.pieces)
    )
    made.task = made.task.attached(made.tokenizer).opened(made.model)
    growth = made.task.tokens_in(made.tokenizer, validation) / before
    made.record["vocabulary"] = {**report.record(), "growth": growth, **choice.record()}
    reporting.current().table(choice.table(vocabulary.byte_size(made.model), report))
    made.notes.append(
        ("vocabulary", f"{report}; validation, which chose nothing here, has {growth - 1:.2%} more tokens")
    )
    if growth - 1 > GROWN * max(config.max_growth, LEAST_GROWN) / 100:
        reporting.current().warn(
            f"--max-growth {config.max_growth:g}: validation has {growth - 1:.1%} more tokens: its text is not like "
            "that of train. Give --vocab-from FILE of text like it, or a lower limit."
        )


def _pieces_of_train(made: PrunedModel, train: Dataset, out: np.ndarray) -> tuple[set[str], set[str]]:
    """The pieces of the rows of train that are not left out, and of those that are: of every text that is read and of
    every text that is written, as far as the model will take them."""
    from nlpkit.data.collating import id_columns
    from nlpkit.pruning import vocabulary

    learning = made.task.for_training().with_(max_length=made.task.max_length)
    seen = features.featurize(learning, made.tokenizer, train, "train")
    counts = Counter[int](), Counter[int]()
    rows = seen["example"][:]
    for name in (*id_columns(seen.column_names), *made.task.written_columns):
        for row, ids in zip(rows, seen[name][:], strict=True):
            counts[int(out[row])].update(number for number in ids if number != IGNORED)
    rest, others = (vocabulary.pieces_of(made.tokenizer, some) for some in counts)
    return rest, others


# --- structures ---


def _structures(
    config: CuttingOptions,
    trained: Trained,
    made: PrunedModel,
    examples: Mapping[str, Dataset],
    device: Device,
    judge: Callable[[Any], float],
) -> None:
    """Plan the structure for the target, and cut the model to it."""
    from nlpkit.models import stacks, surgery
    from nlpkit.pruning import reached

    train = examples["train"]
    if process.world_size() > 1:
        raise UserError(
            "prune chooses structures by measurements, which differ between processes", "Start it without torchrun."
        )
    if stacks.writes(made.model.config):
        _layers(config, made, train, device, judge)
        return
    assert config.criterion == "gradient" or config.criterion == "magnitude"  # see `prune.settled`

    race = None if config.target_speedup is None else _Race(config, trained, made, examples, device)
    planner = planner_of(
        made,
        train,
        device,
        kinds={kind for kind in STRUCTURES if kind in config.what},
        rows=config.calibration_rows,
        seed=config.seed,
        criterion=config.criterion,
        uniform=not config.per_layer,
        answered=None if race is None else race.batches,
        growth=1.0 if race is None else race.growth,
    )

    def lost(sparsity: float) -> float:
        try:
            structure = planner.plan(sparsity=sparsity)
        except UserError:  # there is not so much to remove
            return math.inf
        smaller = copy.deepcopy(made.model)
        surgery.apply(smaller, structure)
        return judge(smaller)

    if race is not None and config.target_speedup is not None:
        tries = reached.reach(planner, config.target_speedup, partial(race.timed, planner.latencies.rows or 0))
        structure = tries[-1].structure
        made.record["predicted_speedup"] = planner.speedup(structure)
        made.record |= {"predicted_rows": planner.latencies.rows, "predicted_tokens": planner.latencies.tokens}
        made.record |= {"promised_speedup": tries[-1].timed, "tries": [each.record() for each in tries]}
    else:
        made.record |= {"sparsity": config.sparsity} if config.sparsity else _largest(config, lost)
        structure = planner.plan(sparsity=made.record["sparsity"])
    surgery.apply(made.model, structure)
    made.record["structure"] = structure.record()
    reporting.current().table(structure.describe())
    if not structure.stock:
        made.notes.append(("opened by", "nlpkit.load(FOLDER) and every nlpkit command: no stock class describes it"))


def planner_of(
    made: PrunedModel,
    train: Dataset,
    device: Device,
    *,
    kinds: Collection[Kind],
    rows: int,
    seed: int,
    **how: Any,
) -> Planner:
    """What plans the structure of a model, by its losses on some rows of train.

    Args:
        rows: of train, drawn with the seed.
        how: further arguments of `search.Planner`.
    """
    from nlpkit.pruning import search

    def served(model: Any) -> Predictor:
        return Predictor(made.task, model, made.tokenizer, device, lent=False)

    return search.Planner(
        made.model.to(device.name).eval(),
        made.task,
        made.task.measured_by(made.model, _calibration(made, train, rows, seed, device)),
        kinds=kinds,
        device=device.name,
        # in float32 the model answers as it is here
        served=None if device.precision == "fp32" else served,
        **how,
    )


class _Race:
    """The whole model and what it is cut to, side by side on the rows by which the speed of the run is told in the end.

    Attributes:
        batches: of these rows, in the tokens of the model that is cut.
        growth: their tokens, with padding, for those of the whole model.
    """

    def __init__(
        self,
        config: CuttingOptions,
        trained: Trained,
        made: PrunedModel,
        examples: Mapping[str, Dataset],
        device: Device,
    ) -> None:
        self.trained, self.made, self.device = trained, made, device
        self.seconds = min(CHECK_SECONDS, config.measure_seconds)
        self.rows = speed.sample(examples["test" if config.judge_test and "test" in examples else "validation"][:])
        before = self._calls(trained.task, trained.model, trained.tokenizer, speed.BATCH_SIZE)
        after = self._calls(made.task, made.model, made.tokenizer, speed.BATCH_SIZE)
        self.batches = after.batches
        self.growth = _padded(after) / _padded(before)

    def timed(self, rows: int, structure: Structure) -> float:
        """How many times as fast as the whole model one is that is cut to a structure.

        Args:
            rows: at once, as on a GPU that with fewer of them would wait, see `speed_rows`.
        """
        from nlpkit.models import surgery

        cut = copy.deepcopy(self.made.model)
        surgery.apply(cut, structure)
        sides = (
            self._calls(self.trained.task, self.trained.model, self.trained.tokenizer, speed_rows(rows)),
            self._calls(self.made.task, cut, self.made.tokenizer, speed_rows(rows)),
        )
        return speed.ratio(*sides, self.device.name, seconds=self.seconds)

    def _calls(self, task: Trainable, model: Any, tokenizer: Any, rows: int) -> Workload:
        from nlpkit.inference import weights

        own = weights.copied(model, self.device)
        return speed.in_batches(Predictor(task, own, tokenizer, self.device, lent=False), self.rows, rows)


def speed_rows(rows: int) -> int:
    """Rows at once by which a speed-up is told that was predicted on so many: with fewer there may be none on a GPU."""
    return max(min(rows, speed.ROWS), speed.BATCH_SIZE)


def _padded(calls: Workload) -> int:
    return sum(batch["input_ids"].numel() for batch in calls.batches)


def _layers(
    config: CuttingOptions, made: PrunedModel, train: Dataset, device: Device, judge: Callable[[Any], float]
) -> None:
    """Take layers out of the encoder and the decoder of a model that writes.

    Raises:
        UserError: something else is to go, or by other means.
    """
    from nlpkit.models import stacks
    from nlpkit.pruning.depth import LayerPlanner

    architecture = made.model.config.model_type
    if others := [kind for kind in STRUCTURES if kind in config.what and kind != "layers"]:
        raise UserError(
            f"--what {','.join(others)}: of models that write, as {architecture}, whole layers are removed",
            "Use --what layers, of encoder and decoder, or --what weights.",
        )
    if config.per_layer:
        raise UserError(f"--per-layer: the layers of {architecture} stay as wide as they are", "Leave it out.")
    if config.criterion != "gradient":
        raise UserError(
            f"--criterion {config.criterion}: layers of models that write go by the loss without them", "Leave it out."
        )
    if config.target_speedup is not None:
        raise UserError(
            f"--target-speedup: how fast {architecture} writes hangs on how long its texts are, which no plan knows",
            "Give --sparsity, --max-drop or --sweep; the speed before and after is measured.",
        )
    planner = LayerPlanner(
        made.model.to(device.name).eval(),
        made.task,
        made.task.measured_by(made.model, _calibration(made, train, config.calibration_rows, config.seed, device)),
    )

    def lost(sparsity: float) -> float:
        try:
            kept = planner.plan(sparsity)
        except UserError:  # there is not so much to remove
            return math.inf
        smaller = copy.deepcopy(made.model)
        stacks.keep(smaller, kept.layers)
        return judge(smaller)

    made.record |= {"sparsity": config.sparsity} if config.sparsity else _largest(config, lost)
    kept = planner.plan(made.record["sparsity"])
    stacks.keep(made.model, kept.layers)
    made.record["structure"] = kept.record()
    reporting.current().table(kept.describe())


def _calibration(
    made: PrunedModel, train: Dataset, rows: int, seed: int, device: Device
) -> list[dict[str, torch.Tensor]]:
    """Batches of rows of train, with their labels."""
    chosen = train.shuffle(seed=seed).select(range(min(rows, len(train))))
    made_features = features.featurize(made.task, made.tokenizer, chosen, "calibration")
    names = [name for name in made_features.column_names if name not in BOOKKEEPING]
    collate = made.task.collate(made.tokenizer)
    order = sorted(range(len(made_features)), key=made_features["length"][:].__getitem__)
    ordered = made_features.select_columns(names).select(order).to_list()
    parts = [ordered[start : start + CALIBRATION_BATCH] for start in range(0, len(ordered), CALIBRATION_BATCH)]
    return [{name: tensor.to(device.name) for name, tensor in collate(part).items()} for part in parts]


# --- weights ---


def _weights(
    config: CuttingOptions, made: PrunedModel, largest: dict[str, float], judge: Callable[[Any], float]
) -> None:
    """Put masks on weights; without training they are set at once."""
    from nlpkit.pruning import masks

    def lost(sparsity: float) -> float:
        model = copy.deepcopy(made.model)
        trial = sparsifier(config, model, sparsity)
        trial.apply(sparsity)
        masks.make_permanent(trial.tensors)
        return judge(model)

    made.record |= {"sparsity": config.sparsity} if config.sparsity else largest or _largest(config, lost)
    sparsity = made.record["sparsity"]
    made.sparsifier = sparsifier(config, made.model, sparsity)
    if not config.epochs:
        made.sparsifier.apply(sparsity)
    made.notes.append(("pruning", _described(config, made.sparsifier.tensors, sparsity)))


def sparsifier(config: CuttingOptions, model: Any, sparsity: float) -> Sparsifier:
    """Put masks on the weights of a model that prune nothing yet, and say how they will be set."""
    from nlpkit.pruning import masks
    from nlpkit.pruning.trainer import Schedule, Sparsifier

    tensors = masks.prunable(model, config.include)
    importance: dict[str, Callable[[], Sequence[torch.Tensor]]] = {
        "magnitude": lambda: masks.magnitudes(tensors),
        "random": lambda: masks.random_numbers(tensors, config.seed),
        "movement": lambda: masks.learned_scores(tensors),
    }
    moving = config.criterion == "movement"
    (masks.attach_scores if moving else masks.attach)(tensors)
    schedule = Schedule(sparsity, config.sparsity_schedule, None if moving else config.rounds)
    assert config.criterion is not None  # see `prune.settled`
    return Sparsifier(tensors, importance[config.criterion], schedule, config.scope, for_good=not moving)


def _described(config: CuttingOptions, tensors: Sequence[Prunable], sparsity: float) -> str:
    entries = sum(tensor.original.numel() for tensor in tensors)
    where = "in each" if config.scope == "layer" else "over all together"
    when = "at once" if config.rounds == 1 else f"in {config.rounds} rounds ({config.sparsity_schedule})"
    if config.criterion == "movement":
        when = f"step by step ({config.sparsity_schedule})"
    what = f"{sparsity:.1%} of {entries / 1e6:.2f} M entries in {len(tensors)} tensors"
    return f"{what}, {where}, by {config.criterion}, {when}"


def _largest(config: CuttingOptions, lost: Callable[[float], float]) -> dict[str, float]:
    assert config.max_drop is not None  # one target is given, see `prune.settled`
    return largest_sparsity(config.max_drop, lost)


def largest_sparsity(max_drop: float, lost: Callable[[float], float]) -> dict[str, float]:
    """The largest sparsity that costs at most `max_drop` points, by bisection, and what it costs.

    Raises:
        UserError: the smallest one that was tried costs more.
    """
    low, high = 0.0, HIGHEST
    best: dict[str, float] = {}
    with reporting.current().progress("search the sparsity", TRIES, "models") as bar:
        for _ in range(TRIES):
            sparsity = (low + high) / 2
            cost = lost(sparsity)
            if cost <= max_drop:
                low, best = sparsity, {"sparsity": sparsity, "points_lost": cost}
            else:
                high = sparsity
            bar.advance(1, sparsity=f"{sparsity:.1%}", lost=f"{cost:.2f}")
    if not best:
        raise UserError(
            f"--max-drop {max_drop:g}: removing {high:.1%} costs more, without recovery",
            "Give --sparsity, and recover with --epochs and --distill.",
        )
    return best
