"""What people are told of clusters and duplicates: tables and lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.clustering import neighbours, quality, written
from nlpkit.clustering.options import ClusterOptions
from nlpkit.reporting import Table, counted

if TYPE_CHECKING:
    from nlpkit.clustering.clusters import Cluster, Clusters
    from nlpkit.clustering.duplicates import Duplicates
    from nlpkit.embedding.corpus import Corpus

SHOWN = 20  # clusters, or groups of duplicates, of a table
MOST = 0.5  # of the rows in one dense place, from where on it is told
CUT = 60  # letters of a text there


def metrics(found: Clusters) -> dict[str, float | None]:
    """The figures of clusters that runs are compared by."""
    names = ("silhouette", "stability", "outlier_share")
    of_labels = ("nmi", "ari", "v_measure", "purity")
    return {
        **{name: found.figures[name] for name in names if name in found.figures},
        **{name: found.agreement[name] for name in of_labels if found.agreement is not None},
    }


def about(found: Clusters, config: ClusterOptions) -> str:
    """How the map was made, in one sentence."""
    how = {"auto": "t-SNE", "tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}.get(config.map, "")
    whole = found.placed == len(found.places)
    of = f"the vectors of {config.model}" if whole else f"{found.placed:,} rows, the others beside those most like them"
    return f"Map by {how} of {of}: near points are alike, distances between clusters say little."


def placement(placed: int, rows: int) -> list[str]:
    """How many rows the method of the map has placed itself, where these are not all."""
    if not 0 < placed < rows:
        return []
    return [f"{placed:,} of {rows:,} rows are placed on the map, the others beside the five most like them"]


def table(found: Clusters) -> Table:
    """The largest clusters, with their names and the text in their midst."""
    with_labels = found.agreement is not None
    rows = [_row(found, one, with_labels=with_labels) for one in found.found]
    header = ["cluster", "rows", "cohesion", "name", *(["label"] if with_labels else []), "most central text"]
    more = f", the {SHOWN} largest of {len(rows)}" if len(rows) > SHOWN else ""
    return Table(f"clusters{more}", header, rows[:SHOWN], to_left=True, whole=rows)


def _row(found: Clusters, one: Cluster, *, with_labels: bool) -> list[Any]:
    row: list[Any] = [str(one.number), f"{len(one.rows):,}", f"{one.cohesion:.3f}", one.name]
    if with_labels:
        label, count = next(iter(one.labels.items()), ("", 0))
        row.append(f"{label} ({100 * count / max(sum(one.labels.values()), 1):.0f} %)" if count else "")
    return [*row, _cut(found.corpus.texts[one.central[0]])]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"


def lines(found: Clusters, config: ClusterOptions, output: Path) -> list[str]:
    """The figures in words, and what was written."""
    figures = found.figures
    said = [found.stop_words, *placement(found.placed, len(found.places))]
    if figures["outliers"]:
        share = 100 * figures["outlier_share"]
        said.append(
            f"outliers: {figures['outliers']:,} of {len(found.places):,} rows ({share:.1f} %) are in no cluster"
        )
    largest = len(found.found[0].rows) / len(found.places)
    if config.method == "hdbscan" and len(found.found) > 1 and largest > MOST:
        of_rows = f"{100 * largest:.0f} % of the rows"
        said.append(f"cluster 0 holds {of_rows}, which no gap parts: try --method kmeans, or `nlpkit topics`")
    if figures["silhouette"] is not None:
        many = min(quality.SAMPLE, len(found.places) - figures["outliers"])
        said.append(
            f"silhouette {figures['silhouette']:.3f} (cosine, {many:,} rows; near 0: clusters run into each other)"
        )
    if figures.get("stability") is not None:
        values = figures["stabilities"]
        most = quality.REPEATED_ON
        of = f" of {most:,} rows" if len(found.places) > most else ""
        said.append(
            f"stability {figures['stability']:.3f} ({min(values):.3f} to {max(values):.3f}): adjusted Rand index of "
            f"{len(values)} further draws and seeds{of} with these clusters; 1: the same again"
        )
    if found.agreement is not None:
        told = found.agreement
        of = f"{told['rows']:,} rows, {len(told['labels'])} labels"
        said.append(
            f"against '{config.label_column}' ({of}): NMI {told['nmi']:.3f}, ARI {told['ari']:.3f}, "
            f"V-measure {told['v_measure']:.3f}, purity {told['purity']:.3f}"
        )
        if told["without_label"]:
            without = counted(told["without_label"], "row without a label is", "rows without a label are")
            said.append(f"{without} left out of these")
    names = [f"{written.ROWS}{written.suffix_of(found.corpus)}", written.CLUSTERS]
    names += [written.PAGE] if found.points is not None else []
    return [*said, f"{', '.join(names)} in {output}"]


def of_duplicates(
    corpus: Corpus, places: np.ndarray, units: np.ndarray, found: Duplicates, figures: Mapping[str, Any]
) -> list[str]:
    """How many rows repeat others; where none does, how like the two are that are most alike."""
    if not figures["repeated"]:
        most = neighbours.highest(units) if len(units) > 1 else -1.0
        return [f"no text repeats another; the two that are most alike have a cosine of {most:.3f}"]
    repeat = counted(figures["repeated"], "row repeats", "rows repeat")
    return [
        f"{repeat} an earlier one, in {counted(figures['groups'], 'group', 'groups')}: {figures['equal']:,} equal but "
        f"for case and blanks, {figures['near']:,} with a cosine of {figures['threshold']:g} or more"
    ]


def table_of_duplicates(corpus: Corpus, places: np.ndarray, found: Duplicates) -> list[Table]:
    """The largest groups, each with the row that is least like its first."""
    rows: list[list[Any]] = []
    for group in found.groups():
        first, lowest = places[group[0]], min(group[1:].tolist(), key=lambda i: float(found.cosine[i]))
        texts = [_cut(corpus.texts[first]), _cut(corpus.texts[places[lowest]])]
        rows.append([str(corpus.rows[first].line), f"{len(group):,}", f"{found.cosine[lowest]:.3f}", *texts])
    more = f", the {SHOWN} largest of {len(rows):,}" if len(rows) > SHOWN else ""
    header = ["line", "rows", "least alike", "text", "the one that is least like it"]
    return [Table(f"groups{more}", header, rows[:SHOWN], to_left=True, whole=rows)] if rows else []
