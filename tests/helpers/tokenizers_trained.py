"""Tokenizers trained on a few texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import rows

from nlpkit.tokenization import saving
from nlpkit.tokenization.pipelines import Pipeline, PipelineOptions

CORNERS = [
    "family 👩‍👩‍👧‍👦, skin 👍🏽, flag 🇹🇷",
    "cafe\u0301 vs café, ångström, Tiếng Việt",  # combining marks, and the same composed
    "שלום עולם (RTL) مرحبا بالعالم",
    "日本語の文章。中文字符 한국어",
    "tab\tand\nnewline\r\nand  blanks   ",
    "bell \x07 escape \x1b[31m zero\u200bwidth soft\u00adhyphen bom\ufeff over\u202eride",
    "ﬁ ½ Ⅷ ß İstanbul ǅ …—“quotes” it's don't",
    "",
]


TEXTS = [row["text"] for row in rows(200)] + CORNERS


SIZE = 500


def trained(style: str | None = None, kind: str | None = None, texts: list[str] = TEXTS, **options: Any) -> Any:
    """(pipeline, backend) of a tokenizer trained on a few texts."""
    pipeline = Pipeline.of(PipelineOptions(style=style, kind=kind, **{"vocab_size": SIZE, **options}))
    backend = pipeline.untrained()
    backend.train_from_iterator([texts], pipeline.trainer())
    return pipeline, pipeline.finish(backend)


def opened(folder: Path, *arguments: Any, **options: Any) -> Any:
    """The same, saved and opened again as any user does."""
    pipeline, backend = trained(*arguments, **options)
    folder.mkdir(exist_ok=True)
    return saving.save(
        backend,
        folder,
        pipeline.init_arguments(),
        stock=pipeline.style.stock,
        stock_arguments=pipeline.stock_arguments(),
    )
