"""Each loss of sentence-transformers, made as nlpkit's options describe it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from nlpkit.errors import UserError
from nlpkit.tasks.sentence_embedding.losses.table import BY_NAME

INSTALL = "pip install 'nlpkit[embed]'"

SCALE = 20.0  # sentence-transformers' default: a temperature of 0.05, which is that of SimCSE too
GUIDED_SCALE = 100.0  # sentence-transformers' default: a temperature of 0.01
DOT_SCALE = 1.0  # sentence-transformers' advice for products of vectors of any length
TRIPLET_MARGIN = 0.2  # FaceNet's, there of squared distances, which are twice the cosine distance
DISTANCE_MARGIN = 5.0  # sentence-transformers' default for distances of vectors of any length
CONTRASTIVE_MARGIN = 0.5  # sentence-transformers' default


@dataclass(frozen=True)
class LossSettings:
    """What a loss is made of, see `LossOptions`.

    Attributes:
        name: as `--loss` takes it.
        scale: factor of similarities; None: the default of the loss.
        margin: None: the default of the loss.
        relative_margin: whether the margin is a share of the guide's similarity of anchor and positive.
        symmetric: whether anchors are ranked for each positive too.
        mini_batch_size: rows that a loss with a gradient cache computes at once.
        dims: numbers of dimensions that are trained besides the whole width, with their weights.
        similarity: by which texts are compared: cosine, dot, euclidean or manhattan.
        gather: whether the rows of all processes are compared.
    """

    name: str
    scale: float | None = None
    margin: float | None = None
    relative_margin: bool = False
    symmetric: bool = False
    mini_batch_size: int = 32
    dims: Mapping[int, float] = field(default_factory=dict)
    similarity: str = "cosine"
    gather: bool = False

    @property
    def angular(self) -> bool:
        """Whether distances are those of directions."""
        return self.similarity in ("cosine", "dot")


def library(name: str) -> Any:
    """The losses of sentence-transformers.

    Raises:
        UserError: it is not installed.
    """
    try:
        from sentence_transformers.sentence_transformer import losses
    except ImportError as error:
        raise UserError(f"--loss {name} needs sentence-transformers: {error}", INSTALL) from None
    return losses


def made(losses: Any, settings: LossSettings, source: nn.Module, guiding: nn.Module | None) -> nn.Module:
    """The loss, before Matryoshka.

    Args:
        losses: of sentence-transformers.
        source: what it takes for the model.
        guiding: what it takes for the guide; None where it has none.
    """
    return _MAKERS[settings.name](losses, settings, source, guiding)


Maker = Callable[[Any, LossSettings, nn.Module, "nn.Module | None"], nn.Module]


def _gathers(settings: LossSettings) -> bool:
    """Whether the loss itself brings the rows of all processes together: that of others `Objective` has done before."""
    return settings.gather and BY_NAME[settings.name].cached


def _ranking(settings: LossSettings) -> dict[str, Any]:
    from sentence_transformers import util

    compare = {
        "cosine": util.cos_sim,
        "dot": util.dot_score,
        "euclidean": util.euclidean_sim,
        "manhattan": util.manhattan_sim,
    }
    default = DOT_SCALE if settings.similarity == "dot" else SCALE
    arguments = {
        "scale": settings.scale or default,
        "similarity_fct": compare[settings.similarity],
        "gather_across_devices": _gathers(settings),
    }
    if settings.symmetric:
        arguments |= {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    return arguments


def _guided(settings: LossSettings) -> dict[str, Any]:
    return {
        "temperature": 1 / (settings.scale or GUIDED_SCALE),
        "margin": settings.margin or 0.0,
        "margin_strategy": "relative" if settings.relative_margin else "absolute",
        "gather_across_devices": _gathers(settings),
    }


def _cosent(losses: Any, settings: LossSettings, source: nn.Module, guiding: nn.Module | None) -> nn.Module:
    from sentence_transformers import util

    compare = {
        "cosine": util.pairwise_cos_sim,
        "dot": util.pairwise_dot_score,
        "euclidean": util.pairwise_euclidean_sim,
        "manhattan": util.pairwise_manhattan_sim,
    }
    return losses.CoSENTLoss(source, settings.scale or SCALE, compare[settings.similarity])


def _margins(losses: Any, settings: LossSettings, source: nn.Module, guiding: nn.Module | None) -> nn.Module:
    """Similarities times the scale, which are to logits what they are where other rows are ranked."""
    from sentence_transformers import util

    dot = settings.similarity == "dot"
    compare = util.pairwise_dot_score if dot else util.pairwise_cos_sim
    scale = settings.scale or (DOT_SCALE if dot else SCALE)
    return losses.MarginMSELoss(source, lambda one, other: scale * compare(one, other))


def _contrastive(losses: Any, settings: LossSettings) -> tuple[Any, float]:
    """The distance of pairs, and from where on it is far enough."""
    metrics = losses.SiameseDistanceMetric
    distance = {"euclidean": metrics.EUCLIDEAN, "manhattan": metrics.MANHATTAN}
    margin = CONTRASTIVE_MARGIN if settings.margin is None else settings.margin
    return distance.get(settings.similarity, metrics.COSINE_DISTANCE), margin


def _triplet(losses: Any, settings: LossSettings, source: nn.Module, guiding: nn.Module | None) -> nn.Module:
    metrics = losses.TripletDistanceMetric
    distance = {"euclidean": metrics.EUCLIDEAN, "manhattan": metrics.MANHATTAN}
    return losses.TripletLoss(source, distance.get(settings.similarity, metrics.COSINE), _triplet_margin(settings))


def _mined(losses: Any, settings: LossSettings) -> tuple[Any, float]:
    """The distance between all texts of a batch, and by how much other classes are to be farther."""
    distances = losses.BatchHardTripletLossDistanceFunction
    distance = distances.cosine_distance if settings.angular else distances.euclidean_distance
    return distance, _triplet_margin(settings)


def _triplet_margin(settings: LossSettings) -> float:
    if settings.margin is not None:
        return settings.margin
    return TRIPLET_MARGIN if settings.angular else DISTANCE_MARGIN


_MAKERS: Mapping[str, Maker] = {
    "multiple-negatives-ranking": lambda losses, settings, source, _: losses.MultipleNegativesRankingLoss(
        source, **_ranking(settings)
    ),
    "cached-multiple-negatives-ranking": lambda losses, settings, source, _: losses.CachedMultipleNegativesRankingLoss(
        source, mini_batch_size=settings.mini_batch_size, **_ranking(settings)
    ),
    "guided": lambda losses, settings, source, guiding: losses.GISTEmbedLoss(source, guiding, **_guided(settings)),
    "cached-guided": lambda losses, settings, source, guiding: losses.CachedGISTEmbedLoss(
        source, guiding, mini_batch_size=settings.mini_batch_size, **_guided(settings)
    ),
    "triplet": _triplet,
    "cosent": _cosent,
    "angle": lambda losses, settings, source, _: losses.AnglELoss(source, settings.scale or SCALE),
    "cosine-mse": lambda losses, settings, source, _: losses.CosineSimilarityLoss(source),
    "contrastive": lambda losses, settings, source, _: losses.ContrastiveLoss(source, *_contrastive(losses, settings)),
    "online-contrastive": lambda losses, settings, source, _: losses.OnlineContrastiveLoss(
        source, *_contrastive(losses, settings)
    ),
    "batch-hard-triplet": lambda losses, settings, source, _: losses.BatchHardTripletLoss(
        source, *_mined(losses, settings)
    ),
    "batch-all-triplet": lambda losses, settings, source, _: losses.BatchAllTripletLoss(
        source, *_mined(losses, settings)
    ),
    "simcse": lambda losses, settings, source, _: losses.MultipleNegativesRankingLoss(source, **_ranking(settings)),
    "mse": lambda losses, settings, source, _: losses.MSELoss(source),
    "margin-mse": _margins,
}
