"""Rows with their vectors in memory: nothing embedded twice, what is left out said, vectors of others refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_jsonl

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.embedding import corpus
from nlpkit.embedding.corpus import Corpus, open_corpus
from nlpkit.embedding.embedder import Embedder
from nlpkit.embedding.opened import open_embedder
from nlpkit.embedding.options import EmbeddedRowsOptions
from nlpkit.errors import UserError
from nlpkit.inference import remembered
from nlpkit.recipes import embed

LONG = " ".join(["good film very bad soup"] * 40)  # tiny models read 64 tokens
TEXTS = ["a good great film", "bad", LONG, "a good great film", "", "soup was cold"]
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(write_jsonl(tmp_path / "rows.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)]))


def opened(model: Path, data: str, **options: Any) -> Corpus:
    config = EmbeddedRowsOptions(model=str(model), input=data, **CPU, **options)
    return open_corpus(open_embedder(config), config)


def test_rows_keep_their_places_and_what_is_left_out_is_said(run_of: RunOf, data: str) -> None:
    model = run_of("embedding")
    with reporting.listening() as heard:
        found = opened(model, data)
    assert found.first.tolist() == [0, 1, 2, 0, 4, 5] and found.there.tolist() == [0, 1, 2, 3, 5]
    assert np.isnan(found.vectors[4]).all() and found.errors[4].startswith("row 5:")
    single = embed.run(embed.Config(model=str(model), texts=[TEXTS[5]], **CPU)).vectors
    np.testing.assert_allclose(found.vectors[5], single[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.units(found.there), axis=1), 1, atol=1e-6)
    assert found.record == {"rows": 6, "without_vector": 1, "equal_to_an_earlier_row": 1, "longer_than_read": 1}
    said = " ".join([*heard.warnings, *heard.notes])
    assert "1 row of" in said and "1 row has the text of an earlier row" in said and "--long-text" in said


def test_a_second_command_embeds_nothing_and_still_tells_of_cuts(
    run_of: RunOf, data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remembered, "FEWEST", 1)
    monkeypatch.setattr(corpus, "CHUNK", 2)  # each chunk is kept: what was interrupted goes on
    model, real, asked = run_of("embedding"), Embedder.embedded, []

    def counting(self: Embedder, chunks: Any, bar: Any = None) -> Any:
        listed = list(chunks)
        asked.extend(row["text"] for _, _, rows in listed for row in rows)
        return real(self, listed, bar)

    monkeypatch.setattr(Embedder, "embedded", counting)
    before = opened(model, data)
    assert len(asked) == 4  # of equal texts one, of the empty one none
    asked.clear()
    with reporting.listening() as heard:
        again = opened(model, data)
    assert not asked and again.record == before.record
    np.testing.assert_array_equal(again.vectors, before.vectors)
    assert any("longer" in said or "cut" in said for said in heard.warnings)
    opened(model, data, pooling="max")  # other vectors are another matter
    assert len(asked) == 4


def test_vectors_of_a_file_are_taken_if_they_are_of_these_rows_and_this_model(
    run_of: RunOf, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, made = run_of("embedding"), tmp_path / "v.npy"
    embed.run(embed.Config(model=str(model), input=data, output=made, max_errors=1, **CPU))
    expected = opened(model, data)
    monkeypatch.setattr(Embedder, "embedded", None)
    found = opened(model, data, vectors=made)
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)
    assert found.there.tolist() == expected.there.tolist() and found.first.tolist() == expected.first.tolist()
    with pytest.raises(UserError, match="pooling"):
        opened(model, data, vectors=made, pooling="max")
    other = write_jsonl(tmp_path / "other.jsonl", [{"text": f"film {i}"} for i in range(6)])
    with pytest.raises(UserError, match="vectors of other rows"):
        opened(model, str(other), vectors=made)
    fewer = write_jsonl(tmp_path / "fewer.jsonl", [{"text": "film"}])
    with pytest.raises(UserError, match="6 vectors"):
        opened(model, str(fewer), vectors=made)


def test_a_file_without_texts_is_refused(run_of: RunOf, tmp_path: Path) -> None:
    empty = write_jsonl(tmp_path / "empty.jsonl", [{"text": ""}, {"text": " "}])
    with pytest.raises(UserError, match=r"no row of .* has a text"):
        opened(run_of("embedding"), str(empty))


@pytest.mark.parametrize("command", ["cluster", "topics"])
def test_rows_that_cannot_be_read_are_all_that_is_said(
    command: str, run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("text\na film\na book\n")
    given = [command, str(run_of("embedding")), "--input", str(tmp_path / "rows.csv"), "--text-column", "nope"]
    capsys.readouterr()  # what the making of the model said
    assert main([*given, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out + said.err == "nlpkit: there is no text column 'nope'; the columns are text\n"
