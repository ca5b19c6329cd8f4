"""A model that is measured: trained for a task, an encoder alone, or with random weights; opened in torch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nlpkit.errors import UserError
from nlpkit.hardware import memory, timing
from nlpkit.inference.placed import Placed
from nlpkit.inference.predictor import Predictor, open_trained
from nlpkit.inference.weights import Weights
from nlpkit.models import files, fitting, opening
from nlpkit.models.onnx import OnnxModel
from nlpkit.nearby import expanded
from nlpkit.options import suggest
from nlpkit.runs.folder import read_record
from nlpkit.tasks import registry
from nlpkit.tasks.contract import Task

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.hardware.devices import Device
    from nlpkit.measurement.spec import Subject, SubjectOptions

AUTO_CLASS = "AutoModel"  # of what has no task
ATTENTION = "attn_implementation"  # every config takes it, and none lists it


@dataclass
class Model:
    """A model that is open.

    Attributes:
        weights: a transformers model, or one that runs in ONNX Runtime, and the arithmetic of its calls.
        config: its transformers config.
        task: that it was trained for, None where there is none or the weights are random.
        tokenizer: None where the weights are random, or there is none beside them.
        limit: tokens of a text that are read where no task says how many, None for any number.
        most: tokens that it takes, None for any number: more than its tokenizer may say.
        folder: that holds its weights; None for random ones and those of the hub's cache.
        seconds: from files to the device, without imports; with random weights, to make them.
    """

    weights: Placed
    config: PreTrainedConfig
    task: Task | None
    tokenizer: Any
    limit: int | None
    most: int | None
    folder: Path | None
    seconds: float

    @classmethod
    def of(cls, predictor: Predictor) -> Model:
        """The model of a predictor, which is open already."""
        task, config = predictor.task, predictor.model.config
        return cls(predictor.weights, config, task, predictor.tokenizer, task.max_length, None, None, 0.0)

    @property
    def net(self) -> Any:
        """The model."""
        return self.weights.model

    @property
    def device(self) -> Device:
        """Where it is, and in which arithmetic."""
        return self.weights.device

    @property
    def exported(self) -> bool:
        """Whether it runs in ONNX Runtime."""
        return isinstance(self.net, OnnxModel)

    @property
    def architecture(self) -> str:
        """Name of its class; of an exported model, as its config names it."""
        return (self.config.architectures or ["unknown"])[0] if self.exported else type(self.net).__name__


def open_torch(subject: Subject, options: SubjectOptions, device: Device, *, trains: bool = False) -> Model:
    """Open a subject in torch, in evaluation mode."""
    if options.config_only:
        return _random(subject, options, device, trains)
    place = opening.resolve(subject.model, "MODEL")
    if files.exported_file(place) is not None:
        raise UserError(f"{subject.name}: {place} is exported to ONNX and runs nowhere else", "Leave out --backends.")
    config = _config(place, options)
    require_known(config, subject.overrides, subject.name)
    task = registry.known_task(config, (read_record(place) or {}).get("task"), place, named=options.task)
    _import_class(config, task.auto_class if task else AUTO_CLASS)
    if task is not None:
        trained = open_trained(
            place,
            options,
            Task,
            "benchmark",
            revision=options.model_revision,
            overrides=subject.overrides,
            task_name=options.task,
        )
        net, tokenizer, task, seconds = trained.model, trained.tokenizer, trained.task, trained.seconds
    else:
        net, tokenizer, seconds = _encoder(place, options, subject.overrides)
    start = time.perf_counter()
    weights = Weights(net, device, lent=trains)
    _touch(net, device)
    seconds += time.perf_counter() - start
    if hasattr(net.config, "use_cache"):
        net.config.use_cache = False
    limit, most = opening.max_positions(net.config, tokenizer, net), opening.takes(net.config, net)
    folder = Path(place) if Path(place).is_dir() else None
    return Model(weights, net.config, task, tokenizer, limit, most, folder, seconds)


def _touch(net: Any, device: Device) -> None:
    """Read all weights once: those of a file that is mapped into memory are not there before; wait for those of a GPU,
    whose copies were made of them."""
    if device.name != "cpu":
        timing.synchronizer(device.name)()
        return
    for tensor in net.state_dict().values():
        for part in _plain(tensor):
            part.sum()


def _plain(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors that a quantized one of torchao is made of, which has no sum; any other one as it is."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    for name in tensor.__tensor_flatten__()[0]:
        yield from _plain(getattr(tensor, name))


def _config(place: str, options: SubjectOptions) -> PreTrainedConfig:
    return opening.load_config(place, revision=options.model_revision, trust_remote_code=options.trust_remote_code)


def _import_class(config: PreTrainedConfig, auto_class: str) -> None:
    """Import the code of a model, so that the time to load it is that of its weights."""
    import transformers

    mapping = getattr(transformers, auto_class)._model_mapping
    if type(config) in mapping:  # not those of a pruned model, nor code that comes with weights
        mapping[type(config)]


def _encoder(place: str, options: SubjectOptions, overrides: Mapping[str, Any]) -> tuple[Any, Any, float]:
    """A model without a task, its tokenizer (None where it has none), and the seconds to open the model."""
    start = time.perf_counter()
    net, _ = opening.load_model(
        place,
        AUTO_CLASS,
        revision=options.model_revision,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle,
        exported=True,
        **overrides,
    )
    seconds = time.perf_counter() - start
    tokenizer = tokenizer_of(place, options)
    if tokenizer is not None:
        fitting.fit(net, tokenizer)
    return net, tokenizer, seconds


def tokenizer_of(place: str, options: SubjectOptions) -> Any:
    """The tokenizer that is named, or that of the model, None where it has none: random inputs need none."""
    if not options.tokenizer and opening.lacks_tokenizer(place):
        return None
    if options.tokenizer:
        named = opening.resolve(options.tokenizer, "--tokenizer")
        return opening.load_tokenizer(named, trust_remote_code=options.trust_remote_code)
    return opening.load_tokenizer(place, revision=options.model_revision, trust_remote_code=options.trust_remote_code)


def traits(net: Any) -> tuple[dict[str, Any], list[type]]:
    """What a call may change in a transformers model for good: its config, and the classes of its parts.

    BigBird gives up sparse attention at the first short input, Reformer settles its number of buckets by the first one.
    """
    return net.config.to_dict(), [type(part) for part in net.modules()]


# --- random weights ---


def _random(subject: Subject, options: SubjectOptions, device: Device, trains: bool) -> Model:
    """A model made of a config alone: the encoder without a head of a task."""
    import transformers

    config = random_config(subject, options)
    torch.manual_seed(options.seed)
    _import_class(config, AUTO_CLASS)
    start = time.perf_counter()
    try:
        net = transformers.AutoModel.from_config(config, trust_remote_code=options.trust_remote_code)
    except Exception as error:
        if memory.is_exhausted(error):
            raise
        raise UserError(f"{subject.name}: no model can be made of this config: {first_line(error)}") from error
    weights = Weights(net, device, lent=trains)
    timing.synchronizer(device.name)()
    seconds, most = time.perf_counter() - start, opening.takes(config, net)
    return Model(weights, net.config, None, None, most, most, None, seconds)


def random_config(subject: Subject, options: SubjectOptions) -> PreTrainedConfig:
    """The config of a folder, a hub name or a model type, with its overrides.

    Raises:
        UserError: there is no such config, it has no such entry, or the entry takes no such value.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    name = subject.model
    kind = None if (Path(name) / "config.json").is_file() else model_type(name)
    if kind is not None:
        # what a config derives from its entries (the kinds of its layers) has to follow the overrides
        config, values = CONFIG_MAPPING[kind](), {}
    else:
        try:
            config = _config(opening.resolve(name, "MODEL"), options)
        except UserError as error:
            near = None if expanded(name).is_dir() else suggest(name, CONFIG_MAPPING)
            raise UserError(error.message, near or error.hint) from error
        values = config.to_dict()
    if hasattr(config, files.STRUCTURE):
        raise UserError(f"{subject.name}: its layers differ, which no config says", "Leave out --config-only.")
    require_known(config, subject.overrides, subject.name)
    values = {**values, **subject.overrides}
    if hasattr(config, "use_cache"):
        values["use_cache"] = False
    try:
        return type(config).from_dict(values)
    except Exception as error:  # each config has checks of its own
        raise UserError(f"{subject.name}: the config takes no such value: {first_line(error)}") from error


def model_type(name: str) -> str | None:
    """The model type of transformers that is meant, dashes and underscores or none: `bigbird` is `big_bird`."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    def plain(text: str) -> str:
        return text.replace("-", "").replace("_", "")

    return next((kind for kind in CONFIG_MAPPING if plain(kind) == plain(name)), None)


def require_known(config: PreTrainedConfig, overrides: Mapping[str, Any], name: str) -> None:
    """Check the names of overrides.

    Raises:
        UserError: the config has no such entry; naming the nearest.
    """
    known = {*config.to_dict(), *config.attribute_map, ATTENTION}
    for key in overrides:
        if key not in known:
            raise UserError(f"{name}: a config of {config.model_type} has no '{key}'", suggest(key, sorted(known)))


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
