"""Topics of a corpus: found where texts lie close together, beside those that were wished for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlpkit import reporting
from nlpkit.clustering import methods, neighbours, reduction, words
from nlpkit.clustering.clusters import DENSE, central_of, smallest_dense, stop_words_of, warn_of_clumps
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.topic_models import coherence, names, tree, wished
from nlpkit.topic_models.options import TopicOptions

if TYPE_CHECKING:
    from nlpkit.embedding.corpus import Corpus
    from nlpkit.topic_models.wished import Wish

WINDOW = 10  # words of the windows of `npmi_windows`, as gensim and with it OCTIS have them
WINDOWED = 5_000  # texts whose windows are counted, each of which has some hundred
OUTSIDE = 0.05  # share of a topic's own texts that are further from its centre than a new text may be


@dataclass(frozen=True)
class Topic:
    """A topic.

    Attributes:
        number: from 0, by size.
        name: that people gave, or `automatic`.
        automatic: its words, or the name of the wish.
        is_wished: whether it was wished for.
        rows: places in the corpus.
        words: that tell it from the others, with their weights.
        central: places of different texts, the nearest to the centre first.
        cohesion: mean cosine of its rows with the centre; None where it has none.
    """

    number: int
    name: str
    automatic: str
    is_wished: bool
    rows: np.ndarray
    words: Sequence[tuple[str, float]]
    central: Sequence[int]
    cohesion: float | None


@dataclass(frozen=True)
class Topics:
    """The topics of a corpus.

    Attributes:
        corpus: the rows.
        places: of the rows that have a vector.
        labels: the topic of each of these, -1 for none.
        similarity: of each with the centre of its topic, without one with the nearest.
        centres: of the topics, of length 1, shape (topics, width).
        limits: cosine from which on a new text belongs to each.
        found: the topics, by number.
        links: the tree of their centres, see `tree.linked`.
        points: of the rows of `placed_rows`, for the map.
        placed_rows: positions in `places` that have a point.
        placed: how many of these the method of the map has placed itself.
        figures: `topics`, `outliers`, `outlier_share`, `npmi`, `npmi_windows`, `diversity`, `cohesion`, ...
        said: what people are told besides.
    """

    corpus: Corpus
    places: np.ndarray
    labels: np.ndarray
    similarity: np.ndarray
    centres: np.ndarray
    limits: np.ndarray
    found: Sequence[Topic]
    links: np.ndarray
    points: np.ndarray | None
    placed: int
    figures: Mapping[str, float | int | None]
    said: Sequence[str]

    @property
    def names(self) -> list[str]:
        return [topic.name for topic in self.found]


def find(
    corpus: Corpus,
    config: TopicOptions,
    wishes: Sequence[Wish],
    wish_units: np.ndarray,
    given: names.Given | None,
) -> Topics:
    """Find topics, name and measure them.

    Args:
        corpus: of the rows.
        config: of the command.
        wishes: that were given.
        wish_units: their vectors, of length 1.
        given: names of an earlier run that stay.

    Raises:
        UserError: texts lie nowhere close together.
    """
    places = corpus.there
    units = corpus.units(places)
    said: list[str] = []
    labels = np.full(len(units), -1, np.int64)
    if wishes:
        labels, limits = wished.assigned(units, wish_units, config.wish_threshold)
        counts = dict(enumerate(np.bincount(labels[labels >= 0], minlength=len(wishes)).tolist()))
        said += wished.described(wishes, limits, counts)
    rest = np.flatnonzero(labels < 0)
    how: reduction.How = "tsne" if config.map in ("auto", "none") else config.map  # type: ignore[assignment]
    with reporting.current().progress("reduce", 0, "rows"):
        points, placed = reduction.placed_once(units, corpus.first[places], DENSE, how, config.seed)
    warn_of_clumps(config.min_size, placed, len(units))
    dense = _dense(units, points, rest, config, said)
    labels[rest] = np.where(dense >= 0, dense + len(wishes), -1)
    if labels.max(initial=-1) < 0:
        raise UserError(
            "no texts lie closer together than the others: there are no topics",
            "Give a smaller --min-size, or try `nlpkit cluster`, which groups all texts.",
        )
    if config.outliers == "nearest":
        labels = _with_nearest(units, labels, said)
    labels, is_wished = _numbered(labels, len(wishes))
    count = len(is_wished)
    centres = neighbours.centres_of(units, labels, count)
    similarity, limits = _similarities(units, centres, labels)
    for number, wish in is_wished.items():
        if wish is not None and not (labels == number).any():
            centres[number], limits[number] = wish_units[wish], 1.0
    found, figures, more = _described(corpus, places, units, labels, centres, is_wished, wishes, config, given)
    return Topics(
        corpus,
        places,
        labels,
        similarity,
        centres,
        limits,
        found,
        tree.linked(centres),
        None if config.map == "none" else points,
        placed,
        figures,
        [*said, *more],
    )


def _dense(
    units: np.ndarray, points: np.ndarray, rest: np.ndarray, config: TopicOptions, said: list[str]
) -> np.ndarray:
    """Topics among the rows without a wish: a label for each, -1 for none; merged where that is asked for.

    The densest places are their cores. Every other row joins the topic with the nearest centre, if it is no further
    from it than all but 5 % of the core, as new texts do.
    """
    if len(rest) < 2:
        return np.full(len(rest), -1, np.int64)
    drawn = methods.drawn(len(rest), config.sample, config.seed)
    some = rest[drawn]
    smallest = config.min_size or smallest_dense(len(some))
    with reporting.current().progress("topics", 0, "rows"):
        cores = methods.hdbscan(points[some], smallest, fine=True)
    count = int(cores.max(initial=-1)) + 1
    if not count:
        return np.full(len(rest), -1, np.int64)
    centres = neighbours.centres_of(units[some], cores, count)
    labels = np.full(len(rest), -1, np.int64)
    labels[drawn] = cores
    if config.merge is not None and config.merge < count:
        labels = methods.by_size(tree.merged(labels, centres, config.merge))
        said.append(f"{count} topics were merged to {int(labels.max()) + 1} (--merge)")
        centres = neighbours.centres_of(units[rest], labels, int(labels.max()) + 1)
    elif config.merge is not None:
        said.append(f"none of {counted(count, 'topic', 'topics')} was merged: --merge asks for {config.merge}")
    _, limits = _similarities(units[rest], centres, labels)
    others = np.flatnonzero(labels < 0)
    labels[others] = nearest_topic(units[rest[others]], centres, limits)[0]
    if len(drawn) < len(rest):
        said.append(f"topics were found in {len(drawn):,} of {len(rest):,} rows (--sample), and the others joined them")
    inside = int((cores >= 0).sum())
    joined = int((labels >= 0).sum()) - inside
    others_are = counted(joined, "other is", "others are")
    said.append(f"{inside:,} rows are the cores of topics; {others_are} as near to a centre as a core is")
    return labels


def nearest_topic(units: np.ndarray, centres: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The topic of texts, -1 where a text is further from the nearest centre than all but 5 % of the topic's own; and
    the cosine with that centre."""
    nearest, cosines = neighbours.nearest(units, centres, 1)
    number, cosine = nearest[:, 0], cosines[:, 0]
    return np.where(cosine >= limits[number], number, -1), cosine


def _with_nearest(units: np.ndarray, labels: np.ndarray, said: list[str]) -> np.ndarray:
    """Labels in which each row has the topic with the nearest centre where it had none."""
    outside = np.flatnonzero(labels < 0)
    if not len(outside):
        return labels
    there = np.unique(labels[labels >= 0])
    centres = neighbours.centres_of(units, labels, int(there.max()) + 1)[there]
    labels = labels.copy()
    labels[outside] = there[neighbours.nearest(units[outside], centres, 1)[0][:, 0]]
    said.append(f"{len(outside):,} texts between topics ({100 * len(outside) / len(labels):.1f} %) got the nearest")
    return labels


def _numbered(labels: np.ndarray, wishes: int) -> tuple[np.ndarray, dict[int, int | None]]:
    """The same topics with numbers by size, those of wishes without texts last; and which wish each number is."""
    new = methods.by_size(labels)
    order = {int(number): int(labels[new == number][0]) for number in range(int(new.max()) + 1)}
    is_wished: dict[int, int | None] = {number: old if old < wishes else None for number, old in order.items()}
    for wish in range(wishes):
        if wish not in is_wished.values():
            is_wished[len(is_wished)] = wish
    return new, is_wished


def _similarities(units: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cosine of each row with the centre of its topic, or the nearest; and the limit of each topic."""
    nearest = neighbours.nearest(units, centres, 1)[0][:, 0]
    whose = np.where(labels >= 0, labels, nearest)
    cosines = np.asarray(np.einsum("rw,rw->r", units, centres[whose]), np.float32)
    limits = np.asarray(
        [np.quantile(inside, OUTSIDE) if len(inside := cosines[labels == i]) else 1.0 for i in range(len(centres))],
        np.float32,
    )
    return cosines, limits


def _described(
    corpus: Corpus,
    places: np.ndarray,
    units: np.ndarray,
    labels: np.ndarray,
    centres: np.ndarray,
    is_wished: Mapping[int, int | None],
    wishes: Sequence[Wish],
    config: TopicOptions,
    given: names.Given | None,
) -> tuple[list[Topic], dict[str, float | int | None], list[str]]:
    """The topics with their names, their figures, and what is said of stop words."""
    stop_words = stop_words_of(config.stop_words)
    texts = [corpus.texts[i] for i in places]
    with reporting.current().progress("words", 0, "texts"):
        occurring = words.counted(texts, stop_words)
        telling = words.of_groups(occurring, labels, len(centres))
    automatic = words.distinct_names(telling)
    automatic = [
        name if (wish := is_wished[number]) is None else wishes[wish].name for number, name in enumerate(automatic)
    ]
    own = names.carried(given, centres) if given is not None else {}
    found = []
    for number in range(len(centres)):
        inside = np.flatnonzero(labels == number)
        cosines = units[inside] @ centres[number]
        found.append(
            Topic(
                number=number,
                name=own.get(number, automatic[number]),
                automatic=automatic[number],
                is_wished=is_wished[number] is not None,
                rows=places[inside],
                words=telling[number],
                central=central_of(corpus, places[inside], cosines),
                cohesion=float(cosines.mean()) if len(inside) else None,
            )
        )
    with reporting.current().progress("coherence", 0, "texts"):
        judged = [[word for word, _ in topic.words] for topic in found]
        split = [words.words_of(text) for text in texts]
        drawn = methods.drawn(len(split), WINDOWED, config.seed)
        figures: dict[str, float | int | None] = {
            "topics": len(found),
            "wished": sum(topic.is_wished for topic in found),
            "outliers": int((labels < 0).sum()),
            "outlier_share": round(float((labels < 0).mean()), 4),
            "npmi": coherence.npmi(judged, split),
            "npmi_windows": coherence.npmi(judged, [split[i] for i in drawn.tolist()], WINDOW),
            "diversity": coherence.diversity(judged),
        }
    why = "the texts look English" if occurring.english else "the texts do not look English"
    why = why if stop_words is None else "as given"
    said = [f"{len(occurring.stop_words):,} stop words are left out of names ({why}; --stop-words)"]
    return found, figures, said
