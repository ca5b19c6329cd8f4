"""The code of the how-to that goes past one machine runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import write_csv

from nlpkit.recipes import embed

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "search-your-files.md"


@pytest.mark.real_weights
def test_vectors_go_into_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("qdrant_client")
    monkeypatch.chdir(tmp_path)
    rows = [
        {"question": text, "answer": str(i)} for i, text in enumerate(["How do I get my money back?", "Opening hours"])
    ]
    data = write_csv(tmp_path / "faq.csv", rows)
    given = {"model": "minilm", "device": "cpu", "threads": 1}
    embed.run(embed.Config(input=str(data), text_column="question", output="faq.parquet", **given))
    embed.run(embed.Config(texts=["I want a refund"], output="question.parquet", **given))
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "qdrant" in block)
    exec(compile(code, PAGE.name, "exec"), {})
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("How do I get my money back?")
