"""`index` and `search`: what is read, found, brought up to date, gone on with, and refused."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import RunOf, write_csv, write_jsonl

from nlpkit import reporting
from nlpkit.errors import Interrupted, UserError
from nlpkit.recipes import index, search
from nlpkit.searching import build, dense, opened, passages, ranked, record, sides, unfinished
from nlpkit.searching.found import marked, sentences
from nlpkit.searching.opened import Index
from nlpkit.searching.unfinished import Unfinished

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
ROWS = [
    {"id": "a", "text": "a good great film", "price": "9", "kind": "film"},
    {"id": "b", "text": "the very bad day and a clerk", "price": "10", "kind": "day"},
    {"id": "c", "text": "soup was cold", "price": "", "kind": "soup"},
    {"id": "d", "text": "", "price": "1", "kind": "soup"},
    {"id": "e", "text": "a good great film", "price": "30", "kind": "film"},
]


@pytest.fixture
def model(run_of: RunOf, tmp_path: Path) -> str:
    """A random encoder with a prompt for queries."""
    folder = tmp_path / "encoder"
    shutil.copytree(run_of("embedding"), folder, ignore=shutil.ignore_patterns("nlpkit.json", "data"))
    settings = {"prompts": {"query": "good: ", "document": ""}, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return str(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "rows.csv", ROWS)


def made(data: object, model: str | None, output: Path, **options: Any) -> reporting.Report:
    given = {} if model is None else {"model": model}
    return index.run(index.Config(data=str(data), output=output, **given, **{**CPU, **options}))


def asked(place: Path, *questions: str, **options: Any) -> list[list[dict[str, Any]]]:
    given = {**CPU, "max_false_answers": 1, **options}
    report = search.run(search.Config(index=place, questions=list(questions), **given))
    return [answer["found"] for answer in report.record["answers"]]


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


def test_a_text_is_found_by_itself_however_it_is_searched(model: str, data: Path, tmp_path: Path) -> None:
    place = tmp_path / "i"
    with reporting.listening() as said:
        report = made(data, model, place)
    assert report.record["documents"] == 4 and report.record["empty"] == 1
    assert any("1 document has no text" in line and "line 5" in line for line in said.warnings)
    assert report.record["embedded"] == 3  # equal texts once
    for mode in ("dense", "bm25", "hybrid"):
        (found,) = asked(place, "soup was cold", mode=mode)
        assert ids(found)[0] == "c", mode
    (found,) = asked(place, "great film", mode="bm25")
    assert ids(found) == ["a", "e"] and found[1]["values"]["price"] == "30"


def test_questions_and_documents_have_their_own_prompts(model: str, data: Path, tmp_path: Path) -> None:
    made(data, model, tmp_path / "i", dtype="fp32")
    opened = sides.open_sides(index.Config(model=model, **CPU), "search")
    plain = Index.open(tmp_path / "i").stored
    np.testing.assert_allclose(opened.asked(["soup was cold"])[0], sides_of(opened, "good: soup was cold"), atol=1e-5)
    np.testing.assert_allclose(plain.floats(np.array([2]))[0], sides_of(opened, "soup was cold"), atol=1e-5)


def sides_of(opened: sides.Sides, text: str) -> np.ndarray:
    ((_, found),) = opened.computed([(None, [text])])
    vector: np.ndarray = opened.finished(found)[0]
    return vector


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["price<=10"], "ab"),
        (["price>9", "kind=film"], "e"),
        (["kind=film|soup"], "ace"),
        (["kind!=film"], "bc"),
        (["id=b"], "b"),
        (["price=9"], "a"),
        (["kind>day"], "ace"),
    ],
)
def test_filters_are_exact(conditions: list[str], kept: str, indexed: Path) -> None:
    (found,) = asked(indexed, "a good great film", filter=conditions)
    assert sorted(ids(found)) == list(kept)


@pytest.fixture
def indexed(model: str, data: Path, tmp_path: Path) -> Path:
    made(data, model, tmp_path / "i")
    return tmp_path / "i"


def test_only_what_is_new_is_embedded_and_what_has_gone_is_not_found(indexed: Path, data: Path) -> None:
    rows = [{**ROWS[0], "price": "8"}, {**ROWS[1], "text": "a new day"}, *ROWS[2:4]]
    write_csv(data, rows)
    report = index.run(index.Config(output=indexed, **CPU))  # with the options that it was made with
    assert report.record["changes"] == {"new": 0, "changed": 2, "removed": 1, "same": 1}
    assert report.record["embedded"] == 1
    assert sorted(ids(asked(indexed, "film", mode="dense")[0])) == ["a", "b", "c"]
    assert ids(asked(indexed, "new", mode="bm25")[0]) == ["b"]
    assert [path.name for path in indexed.glob("part-*")] == ["part-2"] and not (indexed / ".unfinished").exists()


def test_an_update_gives_what_a_new_index_gives(indexed: Path, model: str, data: Path, tmp_path: Path) -> None:
    write_csv(data, [*ROWS[1:], {"id": "f", "text": "a cold clerk", "price": "3", "kind": "film"}])
    made(data, model, indexed)
    made(data, model, tmp_path / "anew")
    for mode in ("dense", "bm25"):
        first, second = (asked(place, "a very cold film", mode=mode) for place in (indexed, tmp_path / "anew"))
        scores = [{each["id"]: each["score"] for each in found[0]} for found in (first, second)]
        assert scores[0].keys() == scores[1].keys()
        for name, score in scores[0].items():
            assert score == pytest.approx(scores[1][name], abs=0.02)


def test_an_update_without_new_texts_keeps_the_codes(indexed: Path, data: Path) -> None:
    before = np.array(Index.open(indexed).stored.numbers)
    with reporting.listening() as said:
        made(data, None, indexed)
    again = Index.open(indexed)
    assert (again.stored.numbers == before).all()
    assert not [line for line in said.notes if "made anew" in line]
    write_csv(data, ROWS[:3])
    made(data, None, indexed)
    assert (Index.open(indexed).stored.numbers == before[:3]).all()


@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_a_document_of_very_many_passages_hides_no_other(
    mode: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "DEPTH", 5)
    rows = [{"text": "the good film . " * 30}, {"text": "a good day"}, {"text": "soup was good"}]
    made(write_csv(tmp_path / "rows.csv", rows), model, tmp_path / "i", passage_tokens=6, overlap=0)
    (found,) = asked(tmp_path / "i", "the good film", mode=mode, top_k=3)
    assert {each["id"] for each in found} == {"rows.csv:2", "rows.csv:3", "rows.csv:4"}


MANY = [{"id": str(i), "text": f"film {i}" + " good day" * (i % 9), "n": i} for i in range(40)]


def vectors_of(place: Path) -> bytes:
    entry = record.read(place)
    return (place / entry.parts / "vectors.npy").read_bytes()


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_an_interrupted_build_goes_on_to_the_same_vectors(
    seconds: float, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they went to the disk after each chunk, or when the interrupt came."""
    data = write_jsonl(tmp_path / "rows.jsonl", MANY)
    monkeypatch.setattr(unfinished, "SECONDS", seconds)
    made(data, model, tmp_path / "whole", batch_size=3, dtype="fp32")
    computed = sides.Sides.computed

    def broken(self: sides.Sides, chunks: Any) -> Any:
        for i, found in enumerate(computed(self, chunks)):
            if i == 1:
                raise KeyboardInterrupt
            yield found

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="the vectors of 24 texts are kept"):
        patch.setattr(sides.Sides, "computed", broken)
        made(data, model, tmp_path / "i", batch_size=3, dtype="fp32")
    assert [path.name for path in (tmp_path / "i").iterdir()] == [".unfinished"]
    with reporting.listening() as said:
        report = made(data, model, tmp_path / "i", batch_size=3, dtype="fp32")
    assert report.record["embedded"] == 16 and "going on: 24 texts are embedded already" in said.notes
    assert vectors_of(tmp_path / "i") == vectors_of(tmp_path / "whole")


KILLED = """
import os, signal, sys
from nlpkit.recipes import index
from nlpkit.searching import unfinished

unfinished.SECONDS = 0
keep = unfinished.Unfinished.keep

def killed(self):
    if self.kept:  # what was added since is half written
        with (self.folder / "vectors.f32").open("ab") as file:
            file.write(b"x" * 1_000)
        with (self.folder / "digests.bin").open("ab") as file:
            file.write(b"x" * 40)
        os.kill(os.getpid(), signal.SIGKILL)
    keep(self)

unfinished.Unfinished.keep = killed
index.run(index.Config(data=sys.argv[1], model=sys.argv[2], output=sys.argv[3], device="cpu", threads=1, batch_size=3))
"""


def test_a_killed_build_goes_on_to_the_same_vectors(model: str, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", MANY)
    made(data, model, tmp_path / "whole", batch_size=3)
    done = forked.run([sys.executable, "-c", KILLED, str(data), model, str(tmp_path / "i")])
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "i" / record.FILE).exists()
    report = made(data, model, tmp_path / "i", batch_size=3)
    assert report.record["embedded"] == 16
    assert vectors_of(tmp_path / "i") == vectors_of(tmp_path / "whole")


def test_the_old_index_is_searched_until_the_new_one_is_whole(
    indexed: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(data, [*ROWS, {"id": "f", "text": "a new film", "price": "1", "kind": "film"}])
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(build, "_graph", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        index.run(index.Config(output=indexed, **CPU))
    assert [path.name for path in indexed.glob("part-*")] == ["part-1"]
    assert len(asked(indexed, "film", mode="dense")[0]) == 4
    report = index.run(index.Config(output=indexed, **CPU))
    assert report.record["embedded"] == 0 and report.record["documents"] == 5


def test_another_model_or_other_options_are_refused(indexed: Path, model: str, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    words = json.loads((other / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(UserError, match="the model changed"):
        made(data, str(other), indexed)
    with pytest.raises(UserError, match="--dtype changed"):
        made(data, model, indexed, dtype="fp16")
    with pytest.raises(UserError, match="is an index of another model"):
        asked(indexed, "film", model=str(other))
    assert ids(asked(indexed, "film", mode="bm25", model=str(other))[0])  # words need no model
    made(data, str(other), indexed, overwrite=True)
    assert asked(indexed, "film")[0]


def test_what_a_killed_process_left_half_written_is_cut_off(tmp_path: Path) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    with Unfinished(tmp_path) as kept:
        kept.begin({"model": "m"}, 2)
        kept.add([b"a" * 16, b"b" * 16], vectors[:2])
    with (tmp_path / ".unfinished" / "vectors.f32").open("ab") as file:
        file.write(vectors[2].tobytes() + b"x")  # it was killed before it said whose vector this is
    with Unfinished(tmp_path) as kept:
        kept.begin({"model": "m"}, 2)
        assert kept.rows == {b"a" * 16: 0, b"b" * 16: 1}
        kept.add([b"c" * 16], vectors[2:])
        np.testing.assert_array_equal(kept.vectors(), vectors)
    with Unfinished(tmp_path) as kept:
        kept.begin({"model": "another"}, 2)
        assert (kept.rows, kept.dropped) == ({}, 3)
    assert not (tmp_path / ".unfinished").exists()


def test_two_processes_do_not_build_one_index(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Unfinished(indexed), pytest.raises(UserError, match="another process builds this index"):
        index.run(index.Config(output=indexed, **CPU))
    entry = record.read(indexed)
    changed = entry.model_copy(update={"parts": "part-7"})
    monkeypatch.setattr(build, "_before", lambda *_, **__: changed)
    monkeypatch.setattr(build._Old, "of", classmethod(lambda cls, folder, before: None))
    with pytest.raises(UserError, match="another process has brought"):
        index.run(index.Config(output=indexed, **CPU))
    assert asked(indexed, "film")[0]


def test_an_index_is_searched_from_any_folder(
    model: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made(data, "encoder", tmp_path / "i")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert asked(tmp_path / "i", "film", mode="dense")[0]


def test_words_are_searched_without_the_model(indexed: Path, model: str) -> None:
    shutil.rmtree(model)
    assert ids(asked(indexed, "cold", mode="bm25")[0]) == ["c"]
    assert asked(indexed, "unheard of", mode="bm25") == [[]]
    with pytest.raises(UserError, match="is no longer in") as told:
        asked(indexed, "cold", mode="dense")
    assert "--model PATH" in str(told.value)


def test_long_documents_are_cut_into_passages_and_found_once(model: str, tmp_path: Path) -> None:
    text = " ".join(["good film."] * 60 + ["soup was cold."] + ["very bad day."] * 60)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "long.md").write_text(text)
    (tmp_path / "notes" / "short.txt").write_text("a clerk")
    (tmp_path / "notes" / "picture.png").write_bytes(b"x")
    with reporting.listening() as said:
        report = made(tmp_path / "notes", model, tmp_path / "i")
    assert report.record["passages"] > 3 and report.record["longer_than_read"] == 0
    assert any("picture.png" in line for line in said.warnings)
    (found,) = asked(tmp_path / "i", "soup cold", mode="bm25")
    assert ids(found) == ["long.md"]
    assert "soup was cold" in found[0]["text"] and text[found[0]["start"] : found[0]["end"]] == found[0]["text"]
    with reporting.listening() as said:
        report = made(tmp_path / "notes", model, tmp_path / "whole", passage_tokens=0)
    assert report.record["passages"] == 2 and report.record["longer_than_read"] == 1
    assert any("is not found by meaning" in line for line in said.warnings)


@pytest.mark.parametrize("overlap", [0, 3])
def test_passages_hold_all_of_a_text(overlap: int) -> None:
    words = [f"w{i}" + ("." if i % 7 == 6 else "") for i in range(60)]
    text = " ".join(words)
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    offsets = np.stack([ends - [len(word) for word in words], ends], axis=1)
    spans = passages.cut(text, offsets, 10, overlap)
    assert spans[0][0] == 0 and spans[-1][1] == len(text)
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert start <= end + 1
        assert (start < end) == bool(overlap)
    assert all(text[start:end].endswith(".") for start, end in spans[:-1])
    assert max(len(text[start:end].split()) for start, end in spans) <= 10


def test_paragraphs_of_squad_and_the_corpus_of_a_beir_folder_are_documents(model: str, tmp_path: Path) -> None:
    paragraph = {"context": "soup was cold", "qas": [{"id": str(i), "question": f"q{i}"} for i in range(3)]}
    other = {"context": "a film", "qas": [{"id": "9", "question": "?"}]}
    (tmp_path / "squad.json").write_text(json.dumps({"data": [{"title": "Soup", "paragraphs": [paragraph, other]}]}))
    assert made(tmp_path / "squad.json", model, tmp_path / "i").record["documents"] == 2
    (tmp_path / "beir").mkdir()
    write_jsonl(tmp_path / "beir" / "corpus.jsonl", [{"_id": "1", "title": "Soup", "text": "was cold"}])
    write_jsonl(tmp_path / "beir" / "queries.jsonl", [{"_id": "q", "text": "film"}])
    assert made(tmp_path / "beir", model, tmp_path / "j").record["documents"] == 1
    (found,) = asked(tmp_path / "j", "soup", mode="bm25")
    assert found[0]["id"] == "1" and found[0]["text"] == "Soup was cold"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filter": ["prize<3"]}, "no documents' column 'prize'"),
        ({"filter": ["price"]}, "is no condition"),
        ({"show": ["prize"]}, "no documents' column 'prize'; the columns are price, kind, text, id"),
        ({"fusion": "rrf"}, "--fusion is for --mode hybrid"),
        ({"output": "x.csv"}, "--output is for --queries"),
        ({"questions": [" "]}, "question 1 is empty"),
        ({"questions": []}, "no question was given"),
        ({"index": "nowhere"}, "does not exist"),
        ({"index": "encoder"}, "is no index"),
    ],
)
def test_what_cannot_be_searched_is_said(options: dict[str, Any], said: str, indexed: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"index": indexed, "questions": ["film"], **options}
    given["index"] = tmp_path / given["index"]
    with pytest.raises(UserError) as error:
        search.run(search.Config(**given, **CPU))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], {}, "the id 'a' stands twice"),
        ([{"id": "a", "text": ""}], {}, "there is no text to be found"),
        ([{"foo": "x", "bar": "y"}], {}, "which column is the text?"),
        ([{"text": "x"}], {"passage_tokens": 5_000}, "the model reads"),
        ([{"text": "x"}], {"output": "."}, "is no index, and not empty"),
    ],
)
def test_what_cannot_be_indexed_is_said(
    rows: list[dict[str, str]], options: dict[str, Any], said: str, model: str, tmp_path: Path
) -> None:
    output = tmp_path / options.get("output", "i")
    with pytest.raises(UserError) as error:
        made(write_csv(tmp_path / "rows.csv", rows), model, **{**options, "output": output})
    assert said in str(error.value)
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schema_version", 99, "a later nlpkit"),
        ("parts", "../elsewhere", "is damaged: parts"),
        ("parts", "..", "is damaged: parts"),
        ("parts", "part-7", "documents.arrow cannot be read"),
        ("documents", 3, "documents.arrow cannot be read: it holds documents 0 to 3"),
        ("documents", 5, "is damaged: Value error, 5 documents in 4 passages"),
        ("passages", 5, "5 passages"),
        ("passages", -1, "is damaged: passages"),
        ("words", 3, "bm25 cannot be read"),
        ("graph", 1.5, "is damaged: graph"),
        ("max_false_answers", float("nan"), "is damaged: max_false_answers"),
        ("max_false_answers", 0, "is damaged: max_false_answers"),
        ("ways", None, "is damaged: ways"),
        ("ways.mode", "meaning", "is damaged: ways.mode"),
        ("ways.weight", 1.5, "is damaged: ways.weight"),
        ("ways.weight", float("nan"), "is damaged: ways.weight"),
        ("chance", {"dense": {"best": [], "source": ""}}, "is damaged: chance.dense.best"),
        ("chance", {"dense": {"best": [0.5, 0.1], "source": ""}}, "do not ascend"),
        ("chance", {"bm25": {"best": [float("inf")], "source": ""}}, "is damaged: chance.bm25.best"),
        ("quick", {"prompt": 3}, "is damaged: quick"),
        ("made.rows", 3, "3 vectors of 4 passages"),
        ("made.scale", float("nan"), "does not say what its vectors were made with"),
        ("made.width", 5, "vectors.npy cannot be read"),
    ],
)
def test_what_a_record_says_is_looked_at(field: str, value: Any, said: str, indexed: Path) -> None:
    document = json.loads((indexed / "index.json").read_text())
    *above, name = field.split(".")
    place = document
    for key in above:
        place = place[key]
    place[name] = value
    (indexed / "index.json").write_text(json.dumps(document))
    with pytest.raises(UserError) as told:
        asked(indexed, "film", mode="hybrid")
    assert said in str(told.value) and str(indexed) in str(told.value)


def test_an_index_without_its_words_or_its_graph_is_damaged(model: str, tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    rows = [{"text": f"film {i}"} for i in range(30)]
    made(write_jsonl(tmp_path / "rows.jsonl", rows), model, tmp_path / "i", exact_up_to=20)
    for name, mode in (("graph.usearch", "dense"), ("bm25", "bm25")):
        (tmp_path / "i" / "part-1" / name).rename(tmp_path / name)
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            asked(tmp_path / "i", "film", mode=mode)


def test_a_damaged_index_is_made_again_as_its_message_says(indexed: Path, model: str, data: Path) -> None:
    (indexed / record.FILE).write_text("{")
    with pytest.raises(UserError) as told:
        made(data, model, indexed)
    assert "--overwrite" in str(told.value.hint)
    made(data, model, indexed, overwrite=True)
    assert asked(indexed, "soup")


def test_a_file_that_is_no_index_is_said_to_be_one(data: Path) -> None:
    with pytest.raises(UserError, match="is a file, and an index is a folder"):
        asked(data, "soup")


def test_a_damaged_file_of_an_index_is_named(indexed: Path) -> None:
    names = ["bm25/vocab.index.json", "bm25/indptr.csc.index.npy", "vectors.npy", "documents.arrow"]
    for name in names:
        path = indexed / "part-1" / name
        whole = path.read_bytes()
        for content in (b"", whole[: len(whole) // 2], b"\0" * 64):
            path.write_bytes(content)
            with pytest.raises(UserError, match="cannot be read") as told:
                asked(indexed, "film", mode="hybrid")
            assert "unsafely" not in str(told.value)
        path.write_bytes(whole)


def test_questions_of_a_file_have_a_row_for_each_document(indexed: Path, tmp_path: Path) -> None:
    questions = write_csv(tmp_path / "q.csv", [{"n": "1", "question": "cold soup"}, {"n": "2", "question": "nothing"}])
    output = tmp_path / "answers.jsonl"
    report = search.run(search.Config(index=indexed, queries=str(questions), output=output, mode="bm25", **CPU))
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(line["question"], line["rank"], line["id"]) for line in lines] == [
        ("cold soup", 1, "c"),
        ("nothing", None, None),
    ]
    assert report.record["questions"] == 2 and report.record["answered"] == 1


def test_each_row_of_a_file_of_questions_is_answered_or_counted(indexed: Path, tmp_path: Path) -> None:
    rows = [{"question": "cold soup"}, {"question": " "}, {"question": "nothing"}, {"question": ["a"]}, {"other": 1}]
    questions = write_jsonl(tmp_path / "q.jsonl", rows)
    with questions.open("a") as file:
        file.write("{\n")
    output = tmp_path / "answers.csv"
    with reporting.listening() as said:
        report = search.run(search.Config(index=indexed, queries=str(questions), output=output, mode="bm25", **CPU))
    counts = [report.record[name] for name in ("questions", "answered", "unanswered", "rows_without_question")]
    assert counts == [2, 1, 1, 4]
    assert any("4 rows have no question and are left out: " in line and "line 2" in line for line in said.warnings)
    (tmp_path / "none.jsonl").write_text('{"question": ""}\n')
    with pytest.raises(UserError, match="holds no question"):
        search.run(search.Config(index=indexed, queries=str(tmp_path / "none.jsonl"), output=tmp_path / "x.csv", **CPU))
    assert not (tmp_path / "x.csv").exists()


def test_equal_texts_are_found_in_the_order_of_the_file(model: str, tmp_path: Path) -> None:
    """Also where a product differs in its last digits, as it hangs on the block that a row is in."""
    vectors = np.repeat(dense.unit(np.random.default_rng(0).normal(size=(1, 768)).astype(np.float32)), 515, axis=0)
    stored = dense.Stored(vectors, "fp32", 768, None, "cosine")
    (found,) = stored.nearest(dense.unit(np.random.default_rng(1).normal(size=(1, 768)).astype(np.float32)), 515)
    assert found.rows.tolist() == list(range(515))
    rows = [{"text": text} for text in ["a good day", "a film", "a good day", "a good day"]]
    made(write_jsonl(tmp_path / "rows.jsonl", rows), model, tmp_path / "i")
    for mode in ("dense", "bm25", "hybrid"):
        (found_ids,) = map(ids, asked(tmp_path / "i", "a good day", mode=mode, top_k=3))
        assert found_ids == ["rows.jsonl:1", "rows.jsonl:3", "rows.jsonl:4"], mode
    near = ranked.in_order(ranked.Ranked(np.array([7, 3, 5]), np.array([0.5, 0.4999999, 0.4], np.float32)))
    assert near.rows.tolist() == [3, 7, 5] and near.scores.tolist() == [0.5, 0.5, np.float32(0.4)]


def test_a_question_that_is_longer_than_the_model_reads_is_said(indexed: Path) -> None:
    with reporting.listening() as said:
        asked(indexed, "film " * 600, "a film", mode="dense")
        asked(indexed, "film " * 600, mode="bm25")
    assert [line for line in said.warnings if "longer than the model reads" in line] == [
        "1 question is longer than the model reads: what stands behind is not searched by meaning"
    ]


def test_a_column_of_bytes_is_text_where_answers_are_json(model: str, tmp_path: Path) -> None:
    pictures = [{"bytes": b"\xff\xd8", "path": None}, {"bytes": b"ok", "path": "b.png"}]
    data = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a good film", "cold soup"], "raw": [b"\xff", b"ok"], "image": pictures}), data)
    made(data, model, tmp_path / "i")
    ((first, *_),) = asked(tmp_path / "i", "a good film", mode="bm25")
    assert first["values"] == {"raw": "\ufffd", "image": {"bytes": "\ufffd\ufffd", "path": None}}
    json.dumps(first, allow_nan=False)


def test_columns_that_are_shown_anyway_may_be_asked_for(indexed: Path) -> None:
    with reporting.listening() as said:
        report = search.run(search.Config(index=indexed, questions=["film"], show=["text", "kind", "id"], **CPU))
    assert report.tables[0].header[-2:] == ["text", "kind"]
    assert "--show text,id: the text and the id are shown anyway" in said.notes


def test_words_of_the_question_are_marked_and_data_steer_nothing(
    model: str, tmp_path: Path, nlpkit: Callable[..., Any]
) -> None:
    rows = [{"text": "a [bold red]clerk[/] \x1b[31m was cold"}, *({"text": f"film {i}"} for i in range(9))]
    made(write_jsonl(tmp_path / "rows.jsonl", rows), model, tmp_path / "i")
    shown = nlpkit("search", tmp_path / "i", "a cold clerk", "--mode", "bm25").stdout
    assert "[bold red][clerk][/]" in shown and "[cold]" in shown
    assert "\x1b" not in shown and "\\x1b" in shown


def test_the_sentence_that_is_meant_is_marked_where_no_word_is() -> None:
    text = "One thing.  Another   thing! And a third"
    assert [" ".join(text.split())[start:end] for start, end in sentences(text)] == [
        "One thing.",
        "Another thing!",
        "And a third",
    ]
    assert str(marked(text, {"third"}, (11, 25))) == "One thing. Another thing! And a [third]"
    assert str(marked(text, {"soup"}, (11, 25))) == "One thing. [Another thing!] And a third"
    long = " ".join(f"w{i}" for i in range(200)) + " soup"
    shown = str(marked(long, {"soup"}))
    assert shown.endswith("[soup]") and shown.startswith("... w") and len(shown) < 240


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "int8", "binary"])
def test_vectors_are_compared_exactly(dtype: Any) -> None:
    from nlpkit.vectors import codes

    random = np.random.default_rng(0)
    vectors = dense.unit(random.normal(size=(1_300, 24)).astype(np.float32))
    scale = codes.scale_of(float(abs(vectors).max())) if dtype == "int8" else None
    stored = dense.Stored(codes.encode(vectors, dtype, scale), dtype, 24, scale, "cosine")
    questions = dense.unit(random.normal(size=(3, 24)).astype(np.float32))
    whole = questions @ stored.floats(slice(None)).T / (np.sqrt(24) if dtype == "binary" else 1)
    np.testing.assert_allclose(stored.scores(questions), whole, atol=1e-5)
    rows = np.arange(5, 1_300, 7)
    for found, scores in zip(stored.nearest(questions, 10, rows), whole[:, rows], strict=True):
        assert found.rows.tolist() == rows[np.argsort(-scores, kind="stable")[:10]].tolist()


def test_a_graph_finds_what_is_nearest_and_filters_stay_exact(model: str, tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    rows = [{"id": str(i), "text": f"film {i} good {i % 7} day {i % 5}", "n": i} for i in range(60)]
    report = made(write_jsonl(tmp_path / "rows.jsonl", rows), model, tmp_path / "i", exact_up_to=20)
    assert 0 < report.record["graph_recall@10"] <= 1
    made(tmp_path / "rows.jsonl", model, tmp_path / "j")
    first, second = (asked(tmp_path / name, "film 7 good", filter=[], top_k=5)[0] for name in "ij")
    assert ids(first)[0] == ids(second)[0]
    (found,) = asked(tmp_path / "i", "film 7", filter=["n<3"])
    assert sorted(ids(found)) == ["0", "1", "2"]


@pytest.mark.parametrize("dtype", ["fp32", "int8"])
def test_the_recall_of_a_graph_is_measured(dtype: Any) -> None:
    pytest.importorskip("usearch")
    from nlpkit.vectors import codes

    vectors = dense.unit(np.random.default_rng(0).normal(size=(900, 16)).astype(np.float32))
    scale = codes.scale_of(float(abs(vectors).max())) if dtype == "int8" else None
    stored = dense.Stored(codes.encode(vectors, dtype, scale), dtype, 16, scale, "cosine")
    graph = dense.Graph.built(stored, 1)
    assert graph.recall(stored) > 0.97
    (found,) = graph.nearest(stored, vectors[7:8], 5)
    assert found.rows[0] == 7 and found.scores[0] == pytest.approx(1, abs=0.02)


def test_lists_are_joined_by_scores_or_by_ranks() -> None:
    first = ranked.Ranked(np.array([4, 2, 9]), np.array([0.9, 0.5, 0.1], np.float32))
    second = ranked.Ranked(np.array([2, 7]), np.array([12.0, 3.0], np.float32))
    found = ranked.averaged([first, second], [0.5, 0.5], 10)
    assert found.rows.tolist() == [2, 4, 7, 9]  # of equal ones the one that stands first
    np.testing.assert_allclose(found.scores, [0.75, 0.5, 0, 0])
    assert ranked.averaged([first, second], [1, 0], 1).rows.tolist() == [4]
    found = ranked.by_ranks([first, second], 2)
    assert found.rows.tolist() == [2, 4]
    np.testing.assert_allclose(found.scores, [1 / 62 + 1 / 61, 1 / 61], rtol=1e-6)
    assert ranked.best(np.array([1, 3, 3, 3], np.float32), 2).rows.tolist() == [1, 2]
