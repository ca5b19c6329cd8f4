"""What `cluster` writes: the rows with their clusters, what each cluster is, a map, pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.clustering import drawing, map_page
from nlpkit.data.inputs import unit
from nlpkit.data.writers import FORMATS, write_empty, writer
from nlpkit.runs import plots
from nlpkit.runs.files import ornament, write_json

if TYPE_CHECKING:
    from nlpkit.clustering.clusters import Cluster, Clusters
    from nlpkit.clustering.duplicates import Duplicates
    from nlpkit.embedding.corpus import Corpus

ROWS = "rows"  # name of the file with the rows, without its suffix
CLUSTERS = "clusters.json"
GROUPS = "duplicates.json"
PAGE = "map.html"
LIKE = {"txt": "csv", "xlsx": "csv", "conll": "jsonl", "squad": "jsonl", "json": "jsonl", "memory": "jsonl"}
"""Formats of the input that rows are not written in, with that which they are written in instead."""
BLOCK = 4_096  # rows that are written at a time


def suffix_of(corpus: Corpus) -> str:
    """What the name of the file with the rows ends in: as the input's, where rows can be written so."""
    format = corpus.source.source.format
    return f".{LIKE.get(format, format)}"


def place_named(corpus: Corpus, row: int) -> str:
    """Where a row stands, for people."""
    return f"{unit(corpus.source.source.format)} {corpus.rows[row].line}"


def free_names(corpus: Corpus, names: Sequence[str]) -> list[str]:
    """Names of new columns; all numbered where the rows have one of them, which is said."""
    taken = {name.strip() for row in corpus.rows for name in row.values}
    for number in itertools.count(1):
        mark = "" if number == 1 else str(number)
        found = [name.replace(names[0], f"{names[0]}{mark}", 1) for name in names]
        if taken.isdisjoint(found):
            break
    if mark:
        reporting.current().note(f"the rows have such columns: the new ones are {', '.join(found)}")
    return found


def write_rows(
    path: Path, corpus: Corpus, beside: Callable[[int], Mapping[str, Any]], places: Sequence[int], *, overwrite: bool
) -> None:
    """Write rows with more columns, as the input is written where that is of the same kind.

    Args:
        path: of the file.
        corpus: of the rows.
        beside: the further columns of a row, by its place.
        places: of the rows that are written.
        overwrite: replace what is there.
    """
    if not places:
        columns = list(dict.fromkeys(name for row in corpus.rows for name in row.values))
        write_empty(path, columns, corpus.source.style_for(path), overwrite=overwrite)
        return
    with writer(path, style=lambda: corpus.source.style_for(path), overwrite=overwrite) as write:
        for start in range(0, len(places), BLOCK):
            write([{**corpus.rows[i].values, **beside(i)} for i in places[start : start + BLOCK]])


def write_clusters(folder: Path, clusters: Clusters, record: Mapping[str, Any], *, title: str, about: str) -> None:
    """The files of clusters in a folder.

    Args:
        record: figures and how they were made, which clusters.json begins with.
        title: heading of the map.
        about: how it was made.
    """
    corpus = clusters.corpus
    place = {int(row): i for i, row in enumerate(clusters.places)}
    names = free_names(corpus, ["cluster", "cluster_name", "cluster_similarity", "cluster_error"])

    def beside(row: int) -> dict[str, Any]:
        i = place.get(row)
        if i is None:
            return dict(zip(names, (None, None, None, corpus.errors[row]), strict=True))
        number = int(clusters.labels[i])
        name = clusters.names[number] if number >= 0 else None
        return dict(zip(names, (number, name, round(float(clusters.similarity[i]), 4), None), strict=True))

    path = folder / f"{ROWS}{suffix_of(corpus)}"
    write_rows(path, corpus, beside, range(len(corpus.rows)), overwrite=False)
    write_json(folder / CLUSTERS, {**record, "clusters": [of_cluster(clusters, one) for one in clusters.found]})
    drawings: dict[str, plots.Plot] = {}
    if clusters.points is not None:
        with ornament(PAGE):
            places = clusters.places.tolist()
            map_page.write(
                folder / PAGE,
                clusters.points,
                clusters.labels,
                clusters.names,
                [corpus.texts[i] for i in places],
                [place_named(corpus, i) for i in places],
                title=title,
                about=about,
            )
        drawings["map"] = drawing.map_of(clusters.points, clusters.labels, clusters.names, title)
    if clusters.tried:
        drawings["numbers"] = drawing.numbers_tried(clusters.tried, clusters.figures["clusters"])
    if clusters.agreement is not None:
        drawings["labels"] = drawing.labels_by_cluster(clusters.agreement, clusters.names)
    if drawings:
        plots.draw(drawings, folder / "plots")


def of_cluster(clusters: Clusters, one: Cluster) -> dict[str, Any]:
    """A cluster as JSON values."""
    corpus = clusters.corpus
    return {
        "cluster": one.number,
        "name": one.name,
        "rows": len(one.rows),
        "share": round(len(one.rows) / len(clusters.places), 4),
        "cohesion": round(one.cohesion, 4),
        "words": [{"word": word, "weight": round(weight, 6)} for word, weight in one.words],
        "central": [{"line": corpus.rows[i].line, "text": corpus.texts[i]} for i in one.central],
        **({"labels": one.labels} if clusters.agreement is not None else {}),
    }


def write_duplicates(folder: Path, corpus: Corpus, places: Sequence[int], found: Duplicates, head: Any) -> None:
    """The rows with the row that each repeats, and the groups.

    Args:
        places: of the rows that have a vector.
        found: by position among these.
        head: figures and how they were made, which duplicates.json begins with.
    """
    position = {row: i for i, row in enumerate(places)}
    names = free_names(corpus, ["duplicate_of", "duplicate_of_similarity", "duplicate_of_kind", "duplicate_of_error"])

    def beside(row: int) -> dict[str, Any]:
        i = position.get(row)
        if i is None:
            return dict(zip(names, (None, None, None, corpus.errors[row]), strict=True))
        if found.of[i] == i:
            return dict.fromkeys(names)
        values = corpus.rows[places[found.of[i]]].line, round(float(found.cosine[i]), 4), kind_of(found, i), None
        return dict(zip(names, values, strict=True))

    write_rows(folder / f"{ROWS}{suffix_of(corpus)}", corpus, beside, range(len(corpus.rows)), overwrite=False)
    groups = [
        {
            "line": corpus.rows[places[rows[0]]].line,
            "text": corpus.texts[places[rows[0]]],
            "rows": len(rows),
            "repeated": [
                {
                    "line": corpus.rows[places[i]].line,
                    "similarity": round(float(found.cosine[i]), 4),
                    "kind": kind_of(found, i),
                    "text": corpus.texts[places[i]],
                }
                for i in rows[1:].tolist()
            ],
        }
        for rows in found.groups()
    ]
    write_json(folder / GROUPS, {**head, "groups": groups})


def kind_of(found: Duplicates, i: int) -> str:
    """How a row repeats another: `equal` but for case and blanks, or `near`."""
    return "equal" if found.equal[i] else "near"


def require_known_format(path: Path, flag: str) -> None:
    """Refuse a file that rows cannot be written to, before any work.

    Raises:
        UserError: its name ends in no known suffix.
    """
    from nlpkit.errors import UserError

    if path.suffix.removeprefix(".") not in FORMATS:
        endings = ", ".join(f".{name}" for name in FORMATS)
        raise UserError(f"{flag} {path}: unknown format", f"End its name in one of: {endings}.")
