"""Options of `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from nlpkit.inference.predictor import TrainedModelOptions
from nlpkit.options import DeviceOptions, OpeningOptions, Strings, option, option_like
from nlpkit.options.declaring import Config
from nlpkit.tasks.deferred import DeferredOptions, Kind
from nlpkit.tasks.options import TaskChoiceOptions, TypedOptions


class LimitOptions(Config):
    """What a request may be at most, and what may wait."""

    max_queue_seconds: float = option(1.0, "Seconds of work that may wait; beyond: 429.", panel="Limits", gt=0, le=3600)
    max_inputs: int = option(1024, "Inputs per request; beyond: 413.", panel="Limits", ge=1)
    max_input_tokens: int = option(65_536, "Tokens of all inputs of a request; beyond: 413.", panel="Limits", ge=1)
    max_written_tokens: int = option(
        16_384, "Tokens that a request may have written, over all texts and beams; beyond: 413.", panel="Limits", ge=1
    )
    max_body_mb: float = option(2.0, "MB of the body of a request; beyond: 413.", panel="Limits", gt=0)
    body_seconds: float = option(10.0, "Seconds for a request to arrive; beyond: 408.", panel="Limits", gt=0)


class BatchingOptions(Config):
    """What is computed together, and kept."""

    batch_tokens: int = option(
        4096, "Tokens that go through a model together, with padding, at most.", panel="Batches", ge=1
    )
    cache: int = option(0, "Answers that are kept for equal inputs; 0: none.", panel="Batches", ge=0)


class AddressOptions(Config):
    """Where requests are taken from, and whose."""

    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0: all.", panel="Address")
    port: int = option(8000, "Port to listen on; 0: a free one.", panel="Address", ge=0, le=65535)
    api_key_file: Path | None = option(
        None,
        "File of the keys that clients must send, a line each.",
        panel="Address",
        metavar="FILE",
        shown_default="NLPKIT_API_KEY",
    )


class ServedModelOptions(OpeningOptions, DeviceOptions, TaskChoiceOptions):
    """How the models are opened; the same for all of them."""

    max_length: int | None = option_like(TrainedModelOptions, "max_length")


class ServiceOptions(ServedModelOptions, BatchingOptions, LimitOptions, AddressOptions):
    """The service as a whole."""

    runs: Strings = option(
        ...,
        "Run or model folders, hub names; NAME=RUN names one.",
        panel="Input",
        metavar="RUN",
        positional=True,
    )
    drain_seconds: float = option(
        30.0, "After SIGTERM: seconds in which what waits is answered.", panel="Lifecycle", ge=0, le=3600
    )
    self_check: bool = option(
        False, "Compare answers over HTTP with the models' and their records, and end.", panel="Lifecycle"
    )
    self_check_rows: int = option(
        64, "Rows of a run's data that are asked about.", panel="Lifecycle", ge=1, only_with="self_check"
    )
    log_texts: bool = option(False, "Write the texts of requests to the log too.", panel="Lifecycle")


class AnsweringOptions(DeferredOptions, TypedOptions, TrainedModelOptions):
    """A model as it is served, with the options of its task for an answer. A request is a text that is typed."""

    kind: ClassVar[Kind] = "predict_options"
