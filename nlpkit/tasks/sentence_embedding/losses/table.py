"""Which losses there are, on which kinds of data each of them works, and which options each reads: the one table that
`--help`, the refusals and the documentation are made of.

Imports neither torch nor sentence-transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from nlpkit.errors import UserError
from nlpkit.options import suggest

LossName = Literal[
    "multiple-negatives-ranking",
    "cached-multiple-negatives-ranking",
    "guided",
    "cached-guided",
    "triplet",
    "contrastive",
    "online-contrastive",
    "cosent",
    "angle",
    "cosine-mse",
    "batch-hard-triplet",
    "batch-all-triplet",
    "simcse",
    "tsdae",
    "mse",
    "margin-mse",
]

RANKED = ("pairs", "triplets", "nli")
"""Kinds of data that say which text belongs to which, so that those of other rows do not."""

GRADED = ("scored-pairs", "labelled-pairs")
"""Kinds of data that say of two texts how alike they are."""


@dataclass(frozen=True)
class LossKind:
    """One loss.

    Attributes:
        name: as `--loss` takes it.
        says: what it asks of vectors, as the end of "the loss ...".
        paper: where it comes from, and the address of that.
        shapes: the kinds of data that it takes.
        reads: the options that it reads, besides `--matryoshka`, which goes with each but tsdae.
        compares: whether it compares the rows of a batch with one another, so that a batch may not be divided.
        cached: whether it computes a batch in parts whose gradients it caches.
        labels: what a row needs besides its texts.
    """

    name: LossName
    says: str
    paper: str
    shapes: tuple[str, ...]
    reads: tuple[str, ...] = ()
    compares: bool = True
    cached: bool = False
    labels: bool = False


GRADCACHE = "with GradCache (Gao et al. 2021, https://arxiv.org/abs/2101.06983)"
GIST = "Solatorio 2024, https://arxiv.org/abs/2402.16829"
FACENET = "Schroff et al. 2015, https://arxiv.org/abs/1503.03832"
HERMANS = "Hermans et al. 2017, https://arxiv.org/abs/1703.07737"

KINDS: tuple[LossKind, ...] = (
    LossKind(
        "multiple-negatives-ranking",
        "ranks the positive of each row above those of all other rows in the batch",
        "Henderson et al. 2017, https://arxiv.org/abs/1705.00652",
        RANKED,
        ("scale", "symmetric"),
    ),
    LossKind(
        "cached-multiple-negatives-ranking",
        "is multiple-negatives-ranking over a batch of any size in the memory of a small one",
        f"Henderson et al. 2017, https://arxiv.org/abs/1705.00652; {GRADCACHE}",
        RANKED,
        ("scale", "symmetric", "mini_batch_size"),
        cached=True,
    ),
    LossKind(
        "guided",
        "is multiple-negatives-ranking without what another model takes for further positives (GISTEmbed)",
        GIST,
        RANKED,
        ("scale", "margin", "relative_margin", "guide"),
    ),
    LossKind(
        "cached-guided",
        "is guided over a batch of any size in the memory of a small one",
        f"{GIST}; {GRADCACHE}",
        RANKED,
        ("scale", "margin", "relative_margin", "guide", "mini_batch_size"),
        cached=True,
    ),
    LossKind(
        "triplet",
        "keeps the positive of each row nearer than its negative, by a margin",
        FACENET,
        ("triplets", "nli"),
        ("margin",),
        compares=False,
    ),
    LossKind(
        "contrastive",
        "brings pairs of label 1 together and those of label 0 apart, up to a margin",
        "Hadsell et al. 2006, https://doi.org/10.1109/CVPR.2006.100",
        ("labelled-pairs",),
        ("margin",),
        compares=False,
        labels=True,
    ),
    LossKind(
        "online-contrastive",
        "is contrastive over the pairs of a batch that are still on the wrong side of another one",
        "Hadsell et al. 2006, https://doi.org/10.1109/CVPR.2006.100, over hard pairs",
        ("labelled-pairs",),
        ("margin",),
        labels=True,
    ),
    LossKind(
        "cosent",
        "puts the cosines of a batch's pairs into the order of their scores",
        "Su 2022, https://kexue.fm/archives/8847",
        GRADED,
        ("scale",),
        labels=True,
    ),
    LossKind(
        "angle",
        "is cosent by angles in complex space, whose gradient does not vanish where cosines are near 1 or -1",
        "Li & Li 2023, https://arxiv.org/abs/2309.12871",
        GRADED,
        ("scale",),
        labels=True,
    ),
    LossKind(
        "cosine-mse",
        "brings the cosine of each pair to its score",
        "Reimers & Gurevych 2019, https://arxiv.org/abs/1908.10084",
        GRADED,
        compares=False,
        labels=True,
    ),
    LossKind(
        "batch-hard-triplet",
        "keeps the farthest text of the same class nearer than the nearest of another, by a margin",
        HERMANS,
        ("labelled-texts",),
        ("margin",),
        labels=True,
    ),
    LossKind(
        "batch-all-triplet",
        "keeps each text of the same class nearer than each of another, by a margin",
        HERMANS,
        ("labelled-texts",),
        ("margin",),
        labels=True,
    ),
    LossKind(
        "simcse",
        "ranks a text, read again with other units dropped out, above all other texts of the batch",
        "Gao et al. 2021, https://arxiv.org/abs/2104.08821",
        ("texts",),
        ("scale", "symmetric"),
    ),
    LossKind(
        "tsdae",
        "lets a decoder write the whole text from the vector of one that lost 60 % of its tokens",
        "Wang et al. 2021, https://arxiv.org/abs/2104.06979",
        ("texts",),
        compares=False,
    ),
    LossKind(
        "mse",
        "brings each vector to the one that a teacher gave the text",
        "Reimers & Gurevych 2020, https://arxiv.org/abs/2004.09813",
        ("taught",),
        compares=False,
        labels=True,
    ),
    LossKind(
        "margin-mse",
        "brings the lead of the positive over each negative to the lead that a cross-encoder gives it",
        "Hofstaetter et al. 2020, https://arxiv.org/abs/2010.02666",
        ("margins",),
        ("scale",),
        compares=False,
        labels=True,
    ),
)

BY_NAME: dict[str, LossKind] = {kind.name: kind for kind in KINDS}
NAMES: tuple[str, ...] = get_args(LossName)


def suiting(shape: str) -> list[str]:
    """The losses that take a kind of data, the one that is used by default first."""
    return [kind.name for kind in KINDS if shape in kind.shapes]


def require(name: str, shape: str) -> LossKind:
    """The loss of that name, if it takes that kind of data.

    Raises:
        UserError: there is no such loss, or it needs other data; the losses that take these are named.
    """
    if name not in BY_NAME:
        raise UserError(f"--loss {name}: there is no such loss", suggest(name, NAMES) or f"Losses: {', '.join(NAMES)}")
    kind = BY_NAME[name]
    if shape not in kind.shapes:
        takes = ", ".join(kind.shapes)
        raise UserError(
            f"--loss {name} takes {takes}; these rows are {shape}", f"Losses for {shape}: {', '.join(suiting(shape))}."
        )
    return kind


def reading(option: str) -> tuple[str, ...]:
    """The losses that read an option."""
    return tuple(kind.name for kind in KINDS if option in kind.reads)
