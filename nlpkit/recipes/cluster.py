"""Find groups in the texts of a file, or the texts that say the same.
Writes the rows with their clusters, names, figures and a map to a folder.

--method kmeans finds as many clusters as --k says, or as the silhouette asks for; hdbscan dense places, and leaves
outliers; agglomerative cuts a tree; community takes texts around a text that all are like it (--threshold). Clusters
are named by the words that tell them from the others. map.html opens in any browser, without a network. --mode
duplicates lists texts that repeat an earlier one, word for word or nearly; --without FILE writes the others. What was
embedded is kept in the cache: a second try with other options takes seconds.

Examples: nlpkit cluster minilm --input questions.csv --output runs/questions
nlpkit cluster minilm --input news.csv --mode duplicates --without new.csv
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.clustering.options import ClusterOptions
from nlpkit.errors import UserError
from nlpkit.reporting import Report, counted
from nlpkit.runs import lock
from nlpkit.runs.files import require_writable
from nlpkit.runs.folder import RunFolder, versions
from nlpkit.tasks.contract import Task

if TYPE_CHECKING:
    from nlpkit.data.rows import Row
    from nlpkit.embedding.corpus import Corpus
    from nlpkit.embedding.opened import Opened

COMMAND = "cluster"
NEEDS = Task  # of the task of the model
ESSENTIAL: tuple[str, ...] = (
    "model",
    "input",
    "text_column",
    "mode",
    "method",
    "k",
    "threshold",
    "label_column",
    "map",
    "output",
    "without",
)
NEAR = 0.95  # cosine from which on a text repeats another, where nothing else is asked for


class Config(ClusterOptions):
    """Options of `nlpkit cluster`."""


@lock.given_back()
def run(config: Config) -> Report:
    """Find clusters or duplicates, write the folder; returns its table and figures.

    Raises:
        UserError: there are no texts, fewer than clusters, or none that are alike.
    """
    started = time.monotonic()
    if config.input is None:
        raise UserError(
            "name the file with the texts: --input FILE (- for a pipe)", "nlpkit cluster minilm --input FILE"
        )
    config.refuse_unread()
    folder = RunFolder(config.output or _default(config))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    if config.without is not None:
        from nlpkit.clustering.written import require_known_format

        require_known_format(config.without, "--without")
        require_writable(config.without, overwrite=config.overwrite)
    from nlpkit.clustering import clusters, reduction
    from nlpkit.embedding.corpus import open_corpus
    from nlpkit.embedding.opened import open_embedder

    reduction.require(config.map)
    clusters.stop_words_of(config.stop_words)
    opened = open_embedder(config)

    def plan(rows: Sequence[Row], different: int, width: int) -> None:
        if config.label_column is not None:
            clusters.labels_of(rows, config.label_column)
        reporting.current().plan(COMMAND, _plan(opened, config, folder.path, len(rows), different, width))

    corpus = open_corpus(opened, config, plan)
    if config.mode == "duplicates":
        return _duplicates(corpus, config, folder, started)
    return _clusters(corpus, config, folder, started)


def _default(config: Config) -> Path:
    return RunFolder.default_path(config.input_name.split(".")[0] or "rows", config.mode)


def _plan(opened: Opened, config: Config, output: Path, rows: int, different: int, width: int) -> list[tuple[str, str]]:
    """What is about to be done to so many rows, of which so many have a text of their own, and what it costs."""
    from nlpkit.clustering import price
    from nlpkit.clustering.clusters import COMMUNITY

    threshold = config.threshold
    if threshold is None:
        threshold = NEAR if config.mode == "duplicates" else COMMUNITY
    how = {
        "kmeans": f"k-means, {'the number by silhouette' if config.k == 'auto' else f'{config.k} clusters'}",
        "agglomerative": f"Ward's tree, {'the number by silhouette' if config.k == 'auto' else f'{config.k} clusters'}",
        "hdbscan": "HDBSCAN on the points of the map",
        "community": f"communities, cosine {threshold:g} or more",
    }[config.method]
    if config.mode == "duplicates":
        how = f"texts with a cosine of {threshold:g} or more with an earlier one"
    by_pairs = config.mode == "duplicates" or config.method == "community"
    placed = config.mode == "clusters" and (config.map in ("auto", "tsne", "umap") or config.method == "hdbscan")
    return [
        ("model", config.model),
        ("vectors", str(config.vectors) if config.vectors else opened.how),
        ("rows", f"{rows:,} of {config.input}, {counted(different, 'different text', 'different texts')}"),
        (config.mode, how),
        *price.described(rows, width, placed=placed, compared=rows // 2 if by_pairs else 0),
        ("device", opened.predictor.device.described),
        ("output", str(output)),
    ]


def _head(corpus: Corpus, config: Config, started: float) -> dict[str, Any]:
    """What the record of the folder says, whatever was looked for."""
    made = {name: value for name, value in corpus.made.record().items() if name != "broken"}
    return {
        "command": COMMAND,
        "config": config.record(),
        "parents": {"model": {"given": config.model, "revision": config.model_revision}},
        "rows": len(corpus.rows),
        "input": {"given": config.input, **corpus.source.read_as()},
        "corpus": dict(corpus.record),
        "vectors": made,
        "seed": config.seed,
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }


# --- clusters ---


def _clusters(corpus: Corpus, config: Config, folder: RunFolder, started: float) -> Report:
    from nlpkit.clustering import clusters, told, written

    found = clusters.find(corpus, config)
    record = {**_head(corpus, config, started), "metrics": {"rows": told.metrics(found)}, "clusters": found.figures}
    described = {"method": config.method, **found.figures, "agreement": found.agreement, "vectors": record["vectors"]}
    title = f"{counted(len(found.found), 'cluster', 'clusters')} of {config.input_name}"
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        written.write_clusters(staged, found, described, title=title, about=told.about(found, config))
        folder.finish(record, staged, keep_checkpoints=False)
    report = {
        **{name: record[name] for name in ("command", "metrics", "corpus", "vectors")},
        "output": str(folder.path),
        **found.figures,
        "agreement": found.agreement,
        "clusters_found": [written.of_cluster(found, one) for one in found.found],
    }
    return Report(report, [told.table(found)], told.lines(found, config, folder.path))


# --- duplicates ---


def _duplicates(corpus: Corpus, config: Config, folder: RunFolder, started: float) -> Report:
    from nlpkit.clustering import duplicates, told, written

    threshold = NEAR if config.threshold is None else config.threshold
    places = corpus.there
    units = corpus.units(places)
    with reporting.current().progress("compare", len(places), "texts") as bar:
        found = duplicates.found(units, [corpus.texts[i] for i in places], threshold, bar)
    groups, repeated = found.groups(), found.repeated
    equal = int(found.equal[repeated].sum())
    figures: dict[str, Any] = {
        "threshold": threshold,
        "groups": len(groups),
        "repeated": len(repeated),
        "equal": equal,
        "near": len(repeated) - equal,
        "kept": len(corpus.rows) - len(repeated),
    }
    record = {**_head(corpus, config, started), "duplicates": figures}
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    dropped = set(places[repeated].tolist())
    with folder.staging() as staged:
        head = {**figures, "vectors": record["vectors"]}
        written.write_duplicates(staged, corpus, places.tolist(), found, head)
        folder.finish(record, staged, keep_checkpoints=False)
    if config.without is not None:
        kept = [i for i in range(len(corpus.rows)) if i not in dropped]
        written.write_rows(config.without, corpus, lambda _: {}, kept, overwrite=config.overwrite)
    lines = told.of_duplicates(corpus, places, units, found, figures)
    if config.without is not None:
        lines.append(f"{counted(figures['kept'], 'row', 'rows')} that repeat no other to {config.without}")
    lines.append(f"{written.ROWS}{written.suffix_of(corpus)}, {written.GROUPS} in {folder.path}")
    report = {name: record[name] for name in ("command", "corpus", "vectors")} | figures
    report |= {"output": str(folder.path), "without": str(config.without) if config.without else None}
    return Report(report, told.table_of_duplicates(corpus, places, found), lines)
