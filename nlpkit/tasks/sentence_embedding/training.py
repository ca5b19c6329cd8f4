"""Which loss a model is trained with, as the rows and the options settle it, and what that asks of batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlpkit import process, reporting
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.options import BatchOptions, Config, DataOptions
from nlpkit.tasks.sentence_embedding import shapes
from nlpkit.tasks.sentence_embedding.losses import table
from nlpkit.tasks.sentence_embedding.losses.options import LossOptions
from nlpkit.tasks.sentence_embedding.shapes import Shape
from nlpkit.tasks.sentence_embedding.vectors import Vectors

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

    from nlpkit.tasks.sentence_embedding.losses.guide import Guide
    from nlpkit.tasks.sentence_embedding.losses.making import LossSettings


@dataclass(frozen=True, eq=False)
class ChosenLoss:
    """The loss that a model is trained with.

    Attributes:
        settings: what it is made of.
        guide: the embedder that tells which texts of a batch are no negatives; None: none does.
        scores: the least and the greatest of train; 0 and 0 where rows have none.
        taught: gives the vectors that are learnt, shape (rows, their width); None where rows hold none.
    """

    settings: LossSettings
    guide: Guide | None
    scores: tuple[float, float]
    taught: Callable[[], np.ndarray] | None

    @property
    def matryoshka(self) -> tuple[int, ...]:
        """The numbers of dimensions that are trained besides all."""
        return tuple(self.settings.dims)

    def labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels as the loss takes them: scores that are learnt as cosines reach from 0 to 1."""
        if self.settings.name != "cosine-mse":
            return labels.float() if labels.is_floating_point() else labels
        low, high = self.scores
        return (labels - low) / (high - low) if high > 1 else labels.float()


def choose(options: Config, train: Dataset, judged: Shape, vectors: Vectors, *, searches: bool) -> ChosenLoss:
    """The loss for the rows of train: the one that is asked for, else the first that suits them.

    Args:
        options: of the command that trains: `LossOptions` among others.
        judged: the kind of the rows that vectors are judged by.
        vectors: of the model.
        searches: whether the first text of a row is a query, and the others what it looks for.

    Raises:
        UserError: nothing tells how good vectors are, or no loss, or not this one, can learn from these rows.
    """
    from nlpkit.tasks.sentence_embedding.losses.guide import open_guide
    from nlpkit.tasks.sentence_embedding.losses.making import LossSettings

    own = LossOptions.of(options)
    shape = shapes.of_examples(train).name
    _require_metric(judged, DataOptions.of(options))
    suiting = table.suiting(shape)
    if not suiting:
        raise UserError(
            f"{shape}: such rows judge, and no loss learns from them",
            "Train on pairs that belong together: --train-file FILE.",
        )
    if vectors.asymmetric and shape in ("texts", "labelled-texts", "taught"):
        raise UserError(
            f"{shape}: such rows have one text, and no side of documents that --prompt-document could be of",
            "--prompt TEXT puts one before each text.",
        )
    kind = table.require(own.loss or suiting[0], shape)
    if kind.compares and BatchOptions.of(options).batch_size * process.world_size() == 1:
        raise UserError(
            f"--batch-size 1: the loss {kind.name} compares the rows of a batch, and one has no other",
            "Use more, 32 to 128 where memory allows.",
        )
    # where the rows have chosen the loss, its options are known now
    options.changed(loss=kind.name).refuse_unread()
    if own.relative_margin and not own.margin:
        raise UserError("--relative-margin says of what --margin is a share, and there is none", "--margin 0.05")
    if kind.name == "mse" and own.matryoshka and not vectors.normalize:
        raise UserError(
            "--matryoshka with --loss mse: vectors that are cut are compared as vectors of length 1, and those of this "
            "model keep their lengths",
            "Leave it out, or train with --normalize.",
        )
    if kind.cached and "guide" in kind.reads and process.world_size() > 1:
        reporting.current().note(
            f"--loss {kind.name} compares texts with the positives and negatives of all processes, and with the other "
            "first texts of their own process alone"
        )
    scores = np.asarray(train["label"][:], np.float64) if shape == "scored-pairs" else np.zeros(1)
    low, high = float(scores.min()), float(scores.max())
    if kind.name == "cosine-mse" and high > 1:
        reporting.current().note(f"train: scores from {low:g} to {high:g} are learnt as cosines from 0 to 1")
    settings = LossSettings(
        kind.name,
        scale=own.scale,
        margin=own.margin,
        relative_margin=own.relative_margin,
        symmetric=own.symmetric,
        mini_batch_size=own.mini_batch_size,
        dims=own.trained_dims(),
        # products of vectors of length 1 are cosines
        similarity="cosine" if vectors.normalize and vectors.similarity == "dot" else vectors.similarity,
        gather=kind.compares and process.world_size() > 1,
    )
    taught = (lambda: np.asarray(train["vector"][:], np.float32)) if shape == "taught" else None
    guide = open_guide(own.guide, train, searches=searches) if own.guide else None
    return ChosenLoss(settings, guide, (low, high), taught)


def _require_metric(judged: Shape, files: DataOptions) -> None:
    """Raises UserError: nothing in the rows that judge tells how good vectors are."""
    if judged.main_metric:
        return
    hint = "Name rows to judge by, such as pairs (sentence1, sentence2, score): --validation-file FILE."
    if files.validation_file:
        known = f"; --format {files.format} is that of all files" if files.format else ""
        hint = f"Those of --validation-file were read so too{known}. {hint}"
    raise UserError(f"{judged.name}: such rows teach, and nothing in them tells how good vectors are", hint)


def compares(loss: str | None) -> bool:
    """Whether a loss, by its name, compares the rows of a batch; None, of a model that learns none, does not."""
    return loss is not None and table.BY_NAME[loss].compares


def why_whole(loss: str) -> str:
    """Why a batch of a loss that compares its rows is not halved, and what to do where memory does not suffice."""
    kind = table.BY_NAME[loss]
    cached = f"cached-{kind.name}"
    ways = "lower --mini-batch-size" if kind.cached else "lower --batch-size, which is another training"
    if cached in table.BY_NAME:
        ways = f"--loss {cached} --mini-batch-size 16 gives the same losses in less memory; or {ways}"
    return f"The loss {kind.name} compares the rows of a batch, so that it is not halved: {ways}."


def rivals(loss: str | None, examples: Dataset) -> np.ndarray | None:
    """Which rows of train may not meet in a batch, as a text of one stands in the other, see `Trainable.rivals`.

    Returns:
        For each row the numbers of its texts, int of shape (rows, texts); None where any may meet.
    """
    if not compares(loss) or shapes.of_examples(examples).name not in (*table.RANKED, "texts"):
        return None
    first: dict[str, int] = {}
    columns = {name: examples[name][:] for name in ("text", "text_pair", "negatives") if name in examples.features}
    rows = [[first.setdefault(folded(text), len(first)) for text in row] for row in shapes.texts_of(columns)]
    most = max(map(len, rows))
    return np.asarray([row + row[-1:] * (most - len(row)) for row in rows])
