"""Options of `cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from nlpkit.clustering import methods
from nlpkit.clustering.methods import Method
from nlpkit.data import memory
from nlpkit.embedding.options import EmbeddedRowsOptions
from nlpkit.options import ColumnOptions, FolderOptions, OnlyWith, SeedOptions, option, option_like

CLUSTERS = OnlyWith(("mode",), ("clusters",))
DUPLICATES = OnlyWith(("mode",), ("duplicates",))
PANEL = "Method"


class NamingOptions(EmbeddedRowsOptions):
    """How groups of texts are named."""

    @property
    def input_name(self) -> str:
        """What the input is called in titles and names of folders: its file without the folders."""
        given = self.input or "-"
        return "rows" if given == "-" or memory.is_name(given) else Path(given).name or "rows"

    stop_words: str | None = option(
        None,
        "Words that name nothing: english, none, or a file with a word a line.",
        panel=PANEL,
        metavar="english|none|FILE",
        shown_default="english where the texts look English, else none",
    )


class MapOptions(SeedOptions):
    """How the map is made."""

    map: Literal["auto", "pca", "tsne", "umap", "none"] = option(
        "auto",
        "How the map is made; auto: tsne.",
        panel=PANEL,
    )
    seed: int = option_like(SeedOptions, "seed", help="Seed of all that is drawn.", panel=PANEL)


class ClusterOptions(MapOptions, NamingOptions):
    """Which rows are grouped, how, and where the groups go."""

    mode: Literal["clusters", "duplicates"] = option("clusters", "Groups, or texts said twice.", panel=PANEL)
    method: Method = option("kmeans", "How clusters are found.", panel=PANEL, only_with=CLUSTERS)
    k: str = option(
        "auto",
        "How many; auto: by the silhouette.",
        panel=PANEL,
        metavar="N|auto",
        only_with=(CLUSTERS, OnlyWith(("method",), methods.OF_K)),
    )
    threshold: float | None = option(
        None,
        "Cosine of like texts, at least.",
        panel=PANEL,
        ge=-1,
        le=1,
        shown_default="0.75; of duplicates 0.95",
        only_with=OnlyWith(
            ("method", "mode"),
            ("community", "duplicates"),
            why=" is for --method community, and for --mode duplicates",
            shown="only with --method community or --mode duplicates",
        ),
    )
    min_size: int | None = option(
        None,
        "Rows of the smallest cluster.",
        panel=PANEL,
        ge=2,
        shown_default="of hdbscan 1 % of the rows, at least 5; of community 5",
        only_with=(CLUSTERS, OnlyWith(("method",), ("hdbscan", "community"))),
    )
    label_column: str | None = option_like(
        ColumnOptions,
        "label_column",
        help="Labels to compare with.",
        shown_default="none",
        only_with=CLUSTERS,
    )
    stability: bool = option(
        True,
        "Group five draws of 80 % of the rows anew, to see whether the same clusters are found.",
        panel=PANEL,
        only_with=CLUSTERS,
    )
    map: Literal["auto", "pca", "tsne", "umap", "none"] = option_like(MapOptions, "map", only_with=CLUSTERS)
    seed: int = option_like(MapOptions, "seed", only_with=CLUSTERS)
    stop_words: str | None = option_like(NamingOptions, "stop_words", only_with=CLUSTERS)
    output: Path | None = option_like(
        FolderOptions, "output", help="Folder to write.", shown_default="runs/<file>-<mode>"
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace what is in --output, and --without.")
    without: Path | None = option(
        None,
        "File for the rows that repeat no other.",
        panel="Output",
        metavar="FILE",
        only_with=DUPLICATES,
    )

    @field_validator("k")
    @classmethod
    def _number(cls, value: str) -> str:
        if value != "auto" and not (value.isdecimal() and int(value) >= 2):
            raise ValueError("give a whole number from 2, or auto")
        return value
