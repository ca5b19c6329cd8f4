"""Clusters of rows: found, counted, named, and measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.clustering import lists, methods, neighbours, quality, reduction, words
from nlpkit.clustering.options import ClusterOptions
from nlpkit.data import columns as column_names
from nlpkit.data.labels import is_missing
from nlpkit.embedding.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from nlpkit.data.rows import Row

COMMUNITY = 0.75  # cosine, the default of community detection in sentence-transformers
CENTRAL = 5  # texts that stand for a cluster
SMALLEST = 5  # rows of the smallest cluster
FEW = 10  # rows that were placed themselves, which make a dense place
DENSE = 2  # dimensions in which densities are looked for


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        number: from 0, by size.
        name: its words.
        rows: places in the corpus.
        words: that tell it from the others, with their weights.
        central: places of different texts, the nearest to the centre first.
        cohesion: mean cosine of its rows with the centre.
        labels: how often each label occurs in it, the most frequent first; empty without labels.
    """

    number: int
    name: str
    rows: np.ndarray
    words: Sequence[tuple[str, float]]
    central: Sequence[int]
    cohesion: float
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Clusters:
    """The clusters of a corpus.

    Attributes:
        corpus: the rows.
        places: of the rows that have a vector, int64.
        labels: the cluster of each of these, -1 for outliers.
        similarity: of each with the centre of its cluster, of an outlier with the nearest; float32.
        found: the clusters, the largest first.
        tried: the numbers of clusters that were tried, where none was given.
        figures: `clusters`, `outliers` (rows), `outlier_share`, `silhouette`, `stability` (mean), `stabilities`.
        agreement: with labels, see `quality.agreement`.
        points: of the rows that have a vector, for a map; None where none is wanted.
        placed: how many of the points the method of the map has placed itself.
        stop_words: how many were left out of names, and whether because the texts look English.
    """

    corpus: Corpus
    places: np.ndarray
    labels: np.ndarray
    similarity: np.ndarray
    found: Sequence[Cluster]
    tried: Sequence[quality.Tried]
    figures: dict[str, Any]
    agreement: dict[str, Any] | None
    points: np.ndarray | None
    placed: int
    stop_words: str

    @property
    def names(self) -> list[str]:
        return [cluster.name for cluster in self.found]


def stop_words_of(given: str | None) -> frozenset[str] | None:
    """The words of --stop-words; None where the texts decide.

    Raises:
        UserError: there is no such file.
    """
    if given is None:
        return None
    if given == "english":
        return words.english_stop_words()
    if given == "none":
        return frozenset()
    lines = lists.lines_of("--stop-words", given, "english, none, or a file with a word a line")
    return frozenset(word for line in lines for word in words.words_of(line))


def find(corpus: Corpus, config: ClusterOptions) -> Clusters:
    """Find clusters, and measure them.

    Raises:
        UserError: there are fewer different texts than clusters, no texts that are alike, or no such column of labels.
    """
    gold = None if config.label_column is None else labels_of(corpus.rows, config.label_column)
    stop_words = stop_words_of(config.stop_words)
    places = corpus.there
    units = corpus.units(places)
    different = len(np.unique(corpus.first[places]))
    k = _number(config, different)
    smallest = config.min_size or _smallest(config.method, len(places))
    how = _map(config)
    points, placed = None, 0
    if how is not None or config.method == "hdbscan":
        with reporting.current().progress("map", 0, "rows"):
            points, placed = reduction.placed_once(units, corpus.first[places], DENSE, how or "tsne", config.seed)
    if config.method == "hdbscan":
        warn_of_clumps(config.min_size, placed, len(units))
    tried: list[quality.Tried] = []
    if k is None and config.method in methods.OF_K:
        tried = _tried(units, different, config.seed)
        k = max(tried, key=lambda one: one.silhouette).k

    def fit(some: np.ndarray, seed: int) -> np.ndarray:
        share = len(some) / len(units)
        least = max(round(smallest * share), 2)
        if config.method == "kmeans":
            return methods.kmeans(units[some], _of_k(k), seed)
        if config.method == "agglomerative":
            return methods.agglomerative(units[some], _of_k(k), seed)
        if config.method == "hdbscan":
            assert points is not None
            return methods.hdbscan(points[some], least)
        return methods.community(units[some], _threshold(config), least)

    if config.method == "agglomerative" and len(units) > methods.WHOLE:
        reporting.current().note(
            f"the tree is that of {methods.WHOLE:,} of {len(units):,} rows; the others join the nearest centre"
        )
    with reporting.current().progress("clusters", 0, "rows"):
        labels = fit(np.arange(len(units)), config.seed)
    if labels.max(initial=-1) < 0:
        raise _nothing(config, units, smallest)
    with reporting.current().progress("names", 0, "clusters"):
        found, said = _described(corpus, places, labels, units, gold, stop_words)
    if config.method == "hdbscan" and how is None:
        points = None
    centres = neighbours.centres_of(units, labels, len(found))
    similarity = _similarity(units, centres, labels)
    figures: dict[str, Any] = {
        "clusters": len(found),
        "outliers": int((labels < 0).sum()),
        "outlier_share": round(float((labels < 0).mean()), 4),
        "silhouette": quality.silhouette(units, labels, config.seed),
    }
    if config.stability:
        figures |= _stability(fit, labels, config)
    agreement = None if gold is None else quality.agreement(labels, [gold[i] for i in places])
    return Clusters(corpus, places, labels, similarity, found, tried, figures, agreement, points, placed, said)


def _smallest(method: methods.Method, rows: int) -> int:
    """Rows of the smallest cluster: texts around a text are few."""
    return SMALLEST if method == "community" else smallest_dense(rows)


def smallest_dense(rows: int) -> int:
    """Rows of the smallest dense place, where nothing else is asked for: 1 % of all, and at least `SMALLEST`.

    It grows with the rows: of many a sample is placed on the plane, and the others clump about its points.
    """
    return max(rows // 100, SMALLEST)


def warn_of_clumps(min_size: int | None, placed: int, rows: int) -> None:
    """Say where dense places may be rows about a few that were placed, as these are a sample.

    Args:
        min_size: that was asked for.
        placed: rows that the method of the map has placed itself.
        rows: all of them.
    """
    clump = -(-rows // placed)
    if min_size is not None and placed < rows and min_size < FEW * clump:
        reporting.current().warn(
            f"--min-size {min_size}: of {rows:,} rows {placed:,} are placed on the map, with {clump} about each: "
            f"groups of fewer than {FEW * clump:,} may be such clumps"
        )


def _threshold(config: ClusterOptions) -> float:
    return COMMUNITY if config.threshold is None else config.threshold


def _map(config: ClusterOptions) -> reduction.How | None:
    if config.map == "none":
        return None
    return "tsne" if config.map == "auto" else config.map


def _tried(units: np.ndarray, different: int, seed: int) -> list[quality.Tried]:
    """Numbers of clusters that were tried; says which is best, and where the curve still climbs at its end."""
    total = len(quality.numbers_to_try(different))
    with reporting.current().progress("numbers of clusters", total, "numbers") as bar:
        tried = quality.tried(units, seed, bar)
    best = max(tried, key=lambda one: one.silhouette)
    edge = ", the largest number that was tried: more may be better" if best.k == tried[-1].k and len(tried) > 1 else ""
    of = f" on {quality.TRIED_ON:,} of {len(units):,} rows" if len(units) > quality.TRIED_ON else ""
    numbers = counted(len(tried), "number", "numbers")
    reporting.current().note(
        f"{best.k} clusters{edge}: the highest silhouette of {numbers}{of}, {best.silhouette:.3f} (--k)"
    )
    return tried


def _number(config: ClusterOptions, different: int) -> int | None:
    """The number of clusters that is asked for; None: it is tried, or follows from the method.

    Raises:
        UserError: there are not so many texts that differ.
    """
    if config.method not in methods.OF_K:
        return None
    asked = None if config.k == "auto" else int(config.k)
    least = 3 if asked is None else asked
    if different < least:
        raise UserError(
            f"--k {config.k} needs {least:,} different texts, and {config.input} has {different:,}",
            "Give a smaller --k, or more texts.",
        )
    return asked


def _of_k(k: int | None) -> int:
    assert k is not None
    return k


def _nothing(config: ClusterOptions, units: np.ndarray, smallest: int) -> UserError:
    if config.method == "hdbscan":
        return UserError(
            f"no place is dense: no {smallest} texts lie closer together than the others",
            "Give a smaller --min-size, or --method kmeans, which groups all.",
        )
    threshold = _threshold(config)
    most = neighbours.highest(units)
    return UserError(
        f"no {smallest} texts are alike: none has a cosine of {threshold:g} with {smallest - 1} others, "
        f"and the two texts that are most alike have {most:.3f}",
        "Give a lower --threshold, or a smaller --min-size.",
    )


def _stability(
    fit: Callable[[np.ndarray, int], np.ndarray], labels: np.ndarray, config: ClusterOptions
) -> dict[str, Any]:
    with reporting.current().progress("stability", quality.DRAWS, "draws") as bar:
        try:
            values = quality.stability(fit, labels, config.seed, bar)
        except ValueError:  # a draw has fewer different texts than clusters
            reporting.current().warn("too few texts differ for draws of 80 % of them: stability is not measured")
            return {"stability": None, "stabilities": []}
    return {"stability": float(np.mean(values)), "stabilities": values}


def _similarity(units: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    nearest = neighbours.nearest(units, centres, 1)[0][:, 0]
    whose = np.where(labels >= 0, labels, nearest)
    return np.asarray(np.einsum("rw,rw->r", units, centres[whose]), np.float32)


def labels_of(rows: Sequence[Row], column: str) -> list[str | None]:
    """The label of each row as text; None where there is none.

    Raises:
        UserError: there is no such column, or no row has a label there.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    column = column_names.require(column, names, "label")
    values = [row.values.get(column) for row in rows]
    gold = [None if is_missing(value) else str(value) for value in values]
    if not any(name is not None for name in gold):
        raise UserError(f"no row has a label in the column '{column}'", "Leave out --label-column, or name another.")
    return gold


def _described(
    corpus: Corpus,
    places: np.ndarray,
    labels: np.ndarray,
    units: np.ndarray,
    gold: Sequence[str | None] | None,
    stop_words: frozenset[str] | None,
) -> tuple[list[Cluster], str]:
    """The clusters with their names, and what is said of stop words."""
    count = int(labels.max()) + 1
    texts = words.counted([corpus.texts[i] for i in places], stop_words)
    telling = words.of_groups(texts, labels, count)
    names = words.distinct_names(telling)
    centres = neighbours.centres_of(units, labels, count)
    out = []
    for number in range(count):
        inside = np.flatnonzero(labels == number)
        cosines = units[inside] @ centres[number]
        out.append(
            Cluster(
                number=number,
                name=names[number],
                rows=places[inside],
                words=telling[number],
                central=central_of(corpus, places[inside], cosines),
                cohesion=float(cosines.mean()),
                labels=dict(Counter(_told(gold, places[inside])).most_common()) if gold is not None else {},
            )
        )
    why = (
        "given"
        if stop_words is not None
        else "the texts look English"
        if texts.english
        else "the texts do not look English"
    )
    return out, f"{len(texts.stop_words):,} stop words are left out of names ({why}; --stop-words)"


def _told(gold: Sequence[str | None], places: np.ndarray) -> list[str]:
    return [name for i in places.tolist() if (name := gold[i]) is not None]


def central_of(corpus: Corpus, rows: np.ndarray, cosines: np.ndarray, most: int = CENTRAL) -> list[int]:
    """Places of the rows that are nearest to a centre, of equal texts the first.

    Args:
        corpus: of the rows.
        rows: places.
        cosines: of each with the centre.
        most: how many.
    """
    found: dict[int, None] = {}
    for i in np.argsort(-cosines, kind="stable").tolist():
        found.setdefault(int(corpus.first[rows[i]]))
        if len(found) == most:
            break
    return list(found)
