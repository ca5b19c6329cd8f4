"""What people are told of topics: their table, and their figures in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.clustering import written
from nlpkit.clustering.told import placement
from nlpkit.reporting import Table
from nlpkit.topic_models import names, saved
from nlpkit.topic_models.options import TopicOptions

if TYPE_CHECKING:
    from nlpkit.topic_models.found import Topic, Topics
    from nlpkit.topic_models.times import Over

SHOWN = 20  # topics of a table
CUT = 60  # letters of a text there


def about(topics: Topics, config: TopicOptions) -> str:
    """How the map was made, in one sentence."""
    how = {"pca": "PCA", "umap": "UMAP"}.get(config.map, "t-SNE")
    whole = topics.placed == len(topics.places)
    of = (
        f"the vectors of {config.model}" if whole else f"{topics.placed:,} rows, the others beside those most like them"
    )
    return f"Map by {how} of {of}: near points are alike, distances between topics say little."


def table(topics: Topics) -> Table:
    """The largest topics, with the text in the midst of each."""
    rows: list[list[Any]] = []
    for topic in topics.found:
        name = f"{topic.name}{' (wished)' if topic.is_wished else ''}"
        rows.append([str(topic.number), f"{len(topic.rows):,}", name, _text(topics, topic)])
    return titled(rows, ["topic", "rows", "name", "most central text"], "largest")


def titled(rows: list[list[Any]], header: list[str], order: str) -> Table:
    """A table of topics, of many the first; the whole is for documents."""
    more = f", the {SHOWN} {order} of {len(rows)}" if len(rows) > SHOWN else ""
    return Table(f"topics{more}", header, rows[:SHOWN], to_left=True, whole=rows)


def _text(topics: Topics, topic: Topic) -> str:
    text = " ".join(topics.corpus.texts[topic.central[0]].split()) if topic.central else ""
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"


def lines(topics: Topics, over: Over | None, output: Path) -> list[str]:
    """The figures in words, and what was written."""
    figures = topics.figures
    said = [*topics.said, *placement(topics.placed, len(topics.places))]
    share = 100 * float(figures["outlier_share"] or 0)
    said.append(
        f"{figures['outliers']:,} of {len(topics.places):,} rows ({share:.1f} %) have no topic (--outliers nearest)"
    )
    if figures["npmi"] is not None and figures["diversity"] is not None:
        said.append(
            f"coherence: NPMI {figures['npmi']:.3f} by documents, {figures['npmi_windows']:.3f} by windows of ten "
            f"words; diversity {figures['diversity']:.3f} (top 10 words)"
        )
    if over is not None:
        said.append(f"over time: {len(over.parts)} parts by {over.unit}, {over.parts[0]} to {over.parts[-1]}")
    files = [f"{written.ROWS}{written.suffix_of(topics.corpus)}", saved.TOPICS, saved.TENSORS, names.FILE]
    return [*said, f"{', '.join(files)} in {output}; edit names in {names.FILE}"]
