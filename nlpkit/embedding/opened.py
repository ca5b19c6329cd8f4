"""A model that is ready to embed, what its vectors are made with, and what came of the rows so far."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit import __version__, reporting
from nlpkit.embedding.embedder import Embedded, Embedder, digest_of
from nlpkit.embedding.options import EmbedderOptions, VectorModelOptions
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.models.onnx import OnnxModel
from nlpkit.tasks.features import Truncation
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.vectors import codes
from nlpkit.vectors.codes import scale_of
from nlpkit.vectors.made import Dtype, Made
from nlpkit.vectors.unfinished import Chunk

if TYPE_CHECKING:
    from nlpkit.data.rows import Row

SHOWN = 3  # places that a warning names
BATCH_TOKENS = {"cpu": 1_024, "gpu": 32_768}
"""Of a forward pass, where nothing else is asked for. A CPU, whose caches hold no more, took longer with 8,192: 1.8
times for sentences of STS-B, 1.15 for abstracts of Cranfield."""


class Opened(NamedTuple):
    """A model that is ready to embed.

    Attributes:
        predictor: of the task, as the command asks for it.
        embedder: gives vectors of rows.
        how: what the vectors are made of, in one line.
    """

    predictor: Predictor[SentenceEmbedding]
    embedder: Embedder
    how: str

    @property
    def task(self) -> SentenceEmbedding:
        return self.predictor.task


def open_vectors(config: VectorModelOptions, command: str = "embed") -> Predictor[SentenceEmbedding]:
    """Open a model, with its vectors as the command asks for them.

    Raises:
        UserError: the model cannot be opened, or does not give such vectors.
    """
    opened = open_predictor(config, SentenceEmbedding, command)
    usual = BATCH_TOKENS["cpu" if opened.device.name == "cpu" else "gpu"]
    predictor = opened.configured(config, batch_tokens=config.batch_tokens or usual)
    vectors = predictor.task.vectors
    if (
        vectors.layers > 1
        and isinstance(predictor.model, OnnxModel)
        and not predictor.task.finished_by(predictor.model)
    ):
        raise UserError(
            f"--layers {vectors.layers}: {config.model} runs in ONNX Runtime, and gives no other layers than its last",
            "Leave it out, or embed with the model that it was made of.",
        )
    if config.dims is not None:
        _tell_of_size(config.dims, predictor.record)
    return predictor


def open_embedder(config: EmbedderOptions) -> Opened:
    """Open the model of `embed`."""
    predictor = open_vectors(config)
    vectors = predictor.task.vectors
    prompt_tokens = len(predictor.tokenizer(vectors.prompt, add_special_tokens=False)["input_ids"])
    embedder = Embedder(predictor, config.long_text, vectors.normalize, prompt_tokens)
    return Opened(predictor, embedder, vectors.described())


def _tell_of_size(dims: int, record: Mapping[str, Any] | None) -> None:
    """Say whether a model was trained for vectors that are cut to so many dimensions, as far as its record tells."""
    asked = ((record or {}).get("config") or {}).get("matryoshka") or []
    trained = [int(str(entry).partition(":")[0]) for entry in asked]  # as `finetune-embed` takes it, N or N:WEIGHT
    if not trained:
        why = "whether the model was trained to be cut (Matryoshka) is not known"
        reporting.current().note(f"--dims {dims}: {why}; `nlpkit evaluate --dims {dims}` shows what is lost")
    elif dims not in trained:
        sizes = ", ".join(map(str, trained))
        reporting.current().note(f"--dims {dims}: the model was trained to be cut to {sizes}, and not to this")


def digest_of_model(opened: Opened, config: EmbedderOptions) -> str:
    """SHA-256 of what the vectors come from, in hex."""
    return digest_of(opened.predictor, config.model, config.model_revision)


def width_of(opened: Opened) -> int | None:
    """Numbers of a vector; None where the config of the model does not tell."""
    hidden = getattr(opened.predictor.model.config, "hidden_size", None)
    return None if hidden is None else opened.task.vectors.width(hidden)


def made_with(
    opened: Opened,
    config: EmbedderOptions,
    digest: str,
    shape: tuple[int, ...],
    largest: float,
    broken: Sequence[int],
    dtype: Dtype = "fp32",
) -> Made:
    """What the vectors are made with.

    Args:
        digest: of the model, see `digest_of_model`.
        shape: of the vectors.
        largest: size of a number of theirs.
        broken: rows without a vector.
        dtype: how a number is stored.
    """
    task = opened.task
    return Made(
        model=config.model,
        model_sha256=digest,
        pooling=",".join(task.vectors.pooling),
        layers=task.vectors.layers,
        normalized=task.vectors.normalize,
        prompt=task.vectors.prompt,
        width=shape[1],
        dtype=dtype,
        scale=scale_of(largest) if dtype == "int8" else None,
        max_length=task.max_length,
        long_text=config.long_text,
        similarity=task.vectors.similarity,
        version=__version__,
        rows=shape[0],
        broken=tuple(broken),
    )


def loss_line(vectors: np.ndarray, made: Made, record: dict[str, Any]) -> list[str]:
    """What smaller codes lose, measured on some of the rows."""
    if made.dtype == "fp32" or (found := codes.loss(vectors, made.dtype, made.scale)) is None:
        return []
    record["loss"] = dataclasses.asdict(found)
    bits = {"fp16": 16, "int8": 8, "binary": 1}[made.dtype]
    return [f"{made.dtype}, {bits} of 32 bits a number: {found}"]


class Counts:
    """What came of rows so far.

    Args:
        limit: tokens that are read of a text, None for any number.

    Attributes:
        rows: all, `failed` of them without a vector.
        cut: texts with more tokens than are read at a time, `longest` tokens at most, `places` the first of them.
        new, tokens: rows and tokens that this process has embedded.
        first_error, hint: why the first row without a vector has none, and what to do about a file that cannot be read.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.rows = self.failed = self.cut = self.longest = self.new = self.tokens = 0
        self.places: list[str] = []
        self.first_error = self.hint = ""
        self.start = time.monotonic()

    def earlier(self, chunk: Chunk) -> None:
        """Count rows that were finished before."""
        self.rows += chunk.rows
        self.failed += len(chunk.errors)
        self.cut, self.longest = self.cut + chunk.cut, max(self.longest, chunk.longest)
        self.places += chunk.places[: SHOWN - len(self.places)]
        self.first_error = self.first_error or next(iter(chunk.errors.values()), "")

    def take(self, rows: Sequence[Row], embedded: Embedded) -> tuple[Chunk, np.ndarray | None]:
        """Count rows that were embedded.

        Returns:
            What came of them, and their vectors, with rows of NaN for those that could not be read.
        """
        good = [i for i, row in enumerate(rows) if row.error is None]
        errors = {i: str(row.error) for i, row in enumerate(rows) if row.error is not None}
        errors |= {good[i]: f"row {rows[good[i]].line}: {why}" for i, why in embedded.errors.items()}
        vectors = embedded.vectors
        if vectors is not None:
            vectors = np.full((len(rows), vectors.shape[1]), np.nan, np.float32)
            vectors[good] = embedded.vectors
        chunk = Chunk(
            rows=len(rows),
            width=0 if vectors is None else vectors.shape[1],
            errors=dict(sorted(errors.items())),
            cut=embedded.cut.texts,
            longest=embedded.cut.longest,
            places=tuple(f"row {rows[good[i]].line}" for i in list(embedded.lost)[:SHOWN]),
            tokens=embedded.tokens,
            largest=0.0 if vectors is None else float(np.nanmax(np.abs(vectors))),
        )
        self.hint = self.hint or next((row.hint for row in rows if row.hint), "")
        self.earlier(chunk)
        self.new, self.tokens = self.new + chunk.rows, self.tokens + chunk.tokens
        return chunk, vectors

    def longer(self, embedded: Embedded) -> None:
        """Count which of some typed texts, or of pairs, have more tokens than are read."""
        self.rows += embedded.cut.rows
        self.cut, self.longest = self.cut + embedded.cut.texts, max(self.longest, embedded.cut.longest)
        self.places += [f"text {i + 1}" for i in list(embedded.lost)[: SHOWN - len(self.places)]]

    @property
    def seconds(self) -> float:
        """Since the first row was asked for."""
        return max(time.monotonic() - self.start, 1e-9)


def tell_of_cuts(opened: Opened, config: EmbedderOptions, counts: Counts) -> None:
    """Say how many texts have more tokens than the model reads, which, and what became of them."""
    cut = Truncation(counts.cut, counts.rows - counts.failed, counts.longest, counts.limit)
    finding = cut.finding(opened.task, "input")
    if finding is None:
        return
    finding.examples = counts.places[:SHOWN]
    if config.long_text == "mean-windows":
        finding.level = "note"
        finding.message = (
            f"input: {cut.texts:,} of {cut.rows:,} texts are longer than {cut.limit} tokens (up to {cut.longest:,}): "
            "their vectors are means over windows"
        )
        reporting.current().note(str(finding))
        return
    finding.message += "; --long-text mean-windows reads all of a text"
    reporting.current().warn(str(finding))
