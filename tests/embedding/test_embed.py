"""`embed`: options of vectors, files that are interrupted, long texts, comparisons, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_jsonl

from nlpkit import reporting
from nlpkit.embedding import embedder, file, opened, rows
from nlpkit.errors import UserError
from nlpkit.recipes import embed
from nlpkit.vectors.stored import read_vectors

TEXTS = ["a good great film", "bad", "the very bad day and a clerk", "a good great film", "", "soup was cold"]
LONG = " ".join(["good film very bad soup"] * 40)  # tiny models read 64 tokens
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.fixture
def model(run_of: RunOf, tmp_path: Path) -> str:
    """A random encoder without a record, whose vectors have 32 dimensions or so."""
    folder = tmp_path / "encoder"
    shutil.copytree(run_of("embedding"), folder, ignore=shutil.ignore_patterns("nlpkit.json", "data"))
    settings = {"prompts": {"query": "good: ", "document": ""}, "similarity_fn_name": "dot"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return str(folder)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(write_jsonl(tmp_path / "rows.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)]))


def vectors(model: str, texts: list[str] = TEXTS[:3], **options: Any) -> np.ndarray:
    found: np.ndarray = embed.run(embed.Config(model=model, texts=texts, **CPU, **options)).vectors
    return found


def test_options_say_what_a_vector_is(model: str) -> None:
    plain = vectors(model)
    width = plain.shape[1]
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-6)
    whole = vectors(model, normalize=False)
    both = vectors(model, normalize=False, pooling="cls,mean")
    assert both.shape[1] == 2 * width
    np.testing.assert_allclose(both[:, width:], whole, atol=1e-6)
    cut = vectors(model, dims=4)
    np.testing.assert_allclose(cut, whole[:, :4] / np.linalg.norm(whole[:, :4], axis=1, keepdims=True), atol=1e-6)
    prompted = vectors(model, [f"good: {text}" for text in TEXTS[:3]])
    np.testing.assert_allclose(vectors(model, prompt="good: "), prompted, atol=1e-6)
    np.testing.assert_allclose(vectors(model, prompt_name="query"), prompted, atol=1e-6)
    assert not np.allclose(vectors(model, layers=2), plain, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"texts": ["a"], "prompt_name": "passage"}, "there is no prompt 'passage'"),
        ({"texts": ["a"], "dims": 4096}, "4096 dimensions"),
        ({"texts": ["a", " "]}, "text 2 of 2 is empty"),
        ({"texts": ["a"], "dtype": "int8"}, "nothing is written"),
        ({"texts": ["a"], "plot": "p.png"}, "needs two"),
        ({"texts": ["a", "b"], "plot": "p.jpg"}, "a picture is a PNG"),
        ({"input": "DATA", "output": "v"}, "its name has no suffix"),
        ({"input": "DATA", "output": "v.txt"}, ".txt is no format of vectors"),
        ({"input": "DATA", "output": "v.csv", "dtype": "binary"}, "bits are packed into bytes"),
        ({"input": "DATA", "output": "v.npy", "text_column": "body"}, "body"),
        ({"input": "DATA", "output": "v.npy", "text_column": "id"}, "the column 'id' holds numbers (0, 1, ...)"),
        ({"input": "DATA", "plot": "p.png"}, "is for texts that are typed"),
        ({"input": "DATA", "similarity": "dot"}, "is for texts that are typed"),
        ({"pairs_from": ["DATA"]}, "takes two files, and 1 is given"),
        ({}, "give texts, or --input FILE"),
        ({"texts": ["a"], "input": "DATA"}, "one of them"),
    ],
)
def test_what_cannot_be_done_is_said(options: dict[str, Any], said: str, model: str, data: str, tmp_path: Path) -> None:
    places = {name: tmp_path / options[name] for name in ("output", "plot") if name in options}
    given = {
        name: [data] if value == ["DATA"] else data if value == "DATA" else value for name, value in options.items()
    }
    with pytest.raises(UserError) as error:
        embed.run(embed.Config(model=model, **{**given, **places}, **CPU))
    assert said in str(error.value)
    assert not [path for path in tmp_path.iterdir() if ".unfinished" in path.name or path.name.startswith("v")]


def test_a_row_without_a_text_is_kept_with_its_error(model: str, data: str, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    out = tmp_path / "v.parquet"
    report = embed.run(embed.Config(model=model, input=data, output=out, **CPU))
    assert (report.record["rows"], report.record["failed"], report.exit_code) == (6, 1, 1)
    table = pq.read_table(out)
    assert table["id"].to_pylist() == list(range(6)) and table["vector_error"].to_pylist()[4].startswith("row 5:")
    found = read_vectors(out)
    assert found.broken.tolist() == [False] * 4 + [True, False]
    assert found.made.pooling == "mean" and found.made.similarity == "dot" and found.made.max_length == 64
    np.testing.assert_allclose(found.floats()[:3], vectors(model), atol=1e-6)
    np.testing.assert_array_equal(found.floats()[0], found.floats()[3])
    again = write_jsonl(tmp_path / "again.jsonl", [{"text": "a", "vector": [1.0]}])
    with reporting.listening() as heard:
        embed.run(embed.Config(model=model, input=str(again), output=tmp_path / "w.parquet", **CPU))
    assert read_vectors(tmp_path / "w.parquet").made.column == "vector2"
    assert "the new ones are in vector2" in " ".join(heard.notes)


def interrupted(config: embed.Config, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Run until so many chunks are kept, then stop as if the process had been killed."""
    real, kept = file.Unfinished.add, []

    def add(self: Any, *arguments: Any) -> None:
        if len(kept) == after:
            raise KeyboardInterrupt
        kept.append(real(self, *arguments))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(file.Unfinished, "add", add)
        embed.run(config)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_an_interrupted_file_goes_on_to_the_same_bytes(
    suffix: str, model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rows, file):
        monkeypatch.setattr(module, "CHUNK", 2)
    out, whole = tmp_path / f"v{suffix}", tmp_path / f"whole{suffix}"
    options: dict[str, Any] = {"model": model, "input": data, "dtype": "int8", **CPU}
    embed.run(embed.Config(output=whole, **options))
    interrupted(embed.Config(output=out, **options), monkeypatch, 2)
    assert not out.exists()
    with pytest.raises(UserError, match="was interrupted: 4 rows are finished"):
        embed.run(embed.Config(output=out, **options))
    with pytest.raises(UserError, match="the options of vectors are others"):
        embed.run(embed.Config(output=out, resume=True, dims=4, **options))
    asked: list[str] = []
    real = embedder._Rows.take
    monkeypatch.setattr(embedder._Rows, "take", lambda self, row, text: asked.append(text) or real(self, row, text))
    report = embed.run(embed.Config(output=out, resume=True, **options))
    assert asked == ["soup was cold"] and report.record["failed"] == 1  # the row before has no text
    assert out.read_bytes() == whole.read_bytes()
    with reporting.listening() as heard:
        assert embed.run(embed.Config(output=out, resume=True, **options)).record["rows"] == 6
    assert f"{out} is complete: nothing to resume" in " ".join(heard.notes)
    with pytest.raises(UserError, match="made with another model or other options"):
        embed.run(embed.Config(output=out, resume=True, **{**options, "dtype": "fp16"}))
    with pytest.raises(UserError, match="made with another model or other options"):
        embed.run(embed.Config(output=out, resume=True, dims=4, **options))
    with Path(data).open("a") as more:
        more.write('{"text": "one more"}\n')
    with pytest.raises(UserError, match="complete, and was made with other rows"):
        embed.run(embed.Config(output=out, resume=True, **options))
    assert not [path for path in tmp_path.iterdir() if "unfinished" in path.name]


def test_rows_that_change_meanwhile_are_refused(
    model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rows, file):
        monkeypatch.setattr(module, "CHUNK", 2)
    config = embed.Config(model=model, input=data, output=tmp_path / "v.npy", **CPU)
    interrupted(config, monkeypatch, 2)
    write_jsonl(Path(data), [{"text": "other"}] * 6)
    with pytest.raises(UserError, match="the rows of --input have changed"):
        embed.run(embed.Config(model=model, input=data, output=tmp_path / "v.npy", resume=True, **CPU))


def test_long_texts_are_counted_and_read_as_asked(model: str) -> None:
    with reporting.listening() as heard:
        cut = vectors(model, [LONG, "bad"])
    assert "1 of 2 texts are longer than 64 tokens and were cut there" in " ".join(heard.warnings)
    with reporting.listening() as heard:
        mean = vectors(model, [LONG, "bad"], long_text="mean-windows")
    assert "their vectors are means over windows" in " ".join(heard.notes)
    np.testing.assert_array_equal(mean[1], cut[1])
    assert not np.allclose(mean[0], cut[0], atol=1e-3) and np.linalg.norm(mean[0]) == pytest.approx(1, abs=1e-6)
    report = embed.run(embed.Config(model=model, texts=[LONG, "bad"], long_text="error", **CPU))
    first, second = report.record["answers"]
    assert "tokens, and the model reads 64" in first["vector_error"] and first["vector"] is None
    assert report.exit_code == 1 and report.failure.startswith("1 of 2 texts have no vector; ")
    np.testing.assert_allclose(second["vector"], cut[1], atol=1e-6)


def test_windows_are_all_of_a_text_and_begin_with_words() -> None:
    text = "one two three four five six"
    starts = [0, 4, 8, 14, 19, 24]
    offsets = np.array([(start, start + 3) for start in starts])
    parts = embedder.windows(text, offsets, 2)
    assert "".join(parts) == text and [part.split() for part in parts] == [
        ["one", "two"],
        ["three", "four"],
        ["five", "six"],
    ]


def test_a_file_in_another_encoding_is_told_how_to_read(model: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("text,id\ncaf\xe9 noir,1\ngood,2\n".encode("latin-1"))
    with reporting.listening() as heard:
        report = embed.run(embed.Config(model=model, input=str(file), output=tmp_path / "v.npy", **CPU))
    assert report.exit_code == 1
    assert "--encoding cp1252 the text there is" in heard.warnings[-1]


def test_typed_texts_are_compared(model: str, tmp_path: Path) -> None:
    report = embed.run(
        embed.Config(
            model=model, texts=TEXTS[:3], normalize=False, plot=tmp_path / "p.png", output=tmp_path / "v.npy", **CPU
        )
    )
    assert report.record["similarity"] == "dot" and (tmp_path / "p.png").stat().st_size
    np.testing.assert_allclose(report.record["similarities"], report.vectors @ report.vectors.T, rtol=1e-4)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), report.vectors)
    assert len(report.tables[1].rows) == 3 and report.tables[1].title == "dot similarity"


def test_pairs_of_lines_are_compared(model: str, tmp_path: Path) -> None:
    lines = [*TEXTS[:3], "", "soup was cold"]
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("\n".join(lines) + "\n")
    second.write_text("\n".join(lines) + "\n")
    config: Callable[..., embed.Config] = lambda **more: embed.Config(model=model, **CPU, **more)  # noqa: E731
    report = embed.run(config(pairs_from=[str(first)], texts=[str(second)], similarity="cosine"))
    assert (report.record["pairs"], report.record["left_out"]) == (4, 1)
    assert report.record["mean"] == pytest.approx(1, abs=1e-5)
    assert report.record["shuffled"]["mean"] < 1
    assert {pair["line"] for pair in report.record["closest"]} == {1, 2, 3, 5}
    second.write_text("a\n")
    with pytest.raises(UserError, match=r"has 5 lines, .* 1"):
        embed.run(config(pairs_from=[str(first), str(second)]))


def test_rows_in_memory_give_an_array(model: str) -> None:
    import nlpkit

    report = nlpkit.embed(model, input=[{"text": text} for text in TEXTS], **CPU)
    assert report.vectors.shape[0] == 6 and np.isnan(report.vectors[4]).all()
    np.testing.assert_allclose(report.vectors[:3], nlpkit.embed(model, TEXTS[:3], **CPU).vectors, atol=1e-6)


def test_it_is_said_whether_a_model_was_trained_to_be_cut(model: str) -> None:
    with reporting.listening() as heard:
        vectors(model, dims=8)
    assert "is not known" in " ".join(heard.notes)
    for dims, said in (("8,16:0.5", ""), ("16", "was trained to be cut to 16, and not to this")):
        with reporting.listening() as heard:
            opened._tell_of_size(8, {"config": {"matryoshka": dims.split(",")}})
        assert said in " ".join(heard.notes) and bool(heard.notes) == bool(said)
