"""`nlpkit explain`: texts and files in, what words are worth out; wrong input in one message each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import RunOf, write_jsonl

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.explaining.methods import METHODS
from nlpkit.options.problems import OptionError
from nlpkit.recipes import explain
from nlpkit.recipes.explain import Config
from nlpkit.reporting import plain_lines

TEXT = "a lovely story but a boring film"
DEVICE = {"device": "cpu", "threads": 1}


def test_each_method_gives_each_word_a_figure_beside_one_that_is_drawn(trained: Path) -> None:
    report = explain.run(Config(model=str(trained), texts=[TEXT], method=["all"], **DEVICE))
    (answer,) = report.record["answers"]
    (found,) = answer["prediction_explanations"]
    assert answer["prediction"] == found["asked"] and answer["prediction_score"] == pytest.approx(found["value"])
    assert [TEXT[word["start"] : word["end"]] for word in found["words"]] == TEXT.split()
    assert list(found["methods"]) == list(METHODS)
    for method in found["methods"].values():
        assert len(method["scores"]) == len(TEXT.split())
        assert {"comprehensiveness", "sufficiency", "seconds"} < method.keys()
    words, figures = report.tables
    assert [row[0] for row in words.rows] == TEXT.split()
    assert [row[0] for row in figures.rows][-1] == "(random)"
    assert "attention (weak)" in plain_lines(figures)[-4]
    # what the run has learnt is what it is about
    strongest = max(range(len(found["words"])), key=lambda i: found["methods"]["erasure"]["scores"][i])
    assert found["words"][strongest]["text"] in ("lovely", "boring")


def test_rows_in_are_rows_out_with_the_columns_that_they_had(trained: Path, tmp_path: Path) -> None:
    rows = [{"text": TEXT, "label": "positive", "prediction": "negative"}, {"text": ""}, {"text": "a good film"}]
    write_jsonl(tmp_path / "errors.jsonl", rows)
    output = tmp_path / "why.jsonl"
    config = Config(model=str(trained), input=str(tmp_path / "errors.jsonl"), output=output, max_errors=1, **DEVICE)
    report = explain.run(config)
    first, empty, last = map(json.loads, output.read_text().splitlines())
    assert (first["label"], first["prediction"]) == ("positive", "negative")  # as they were
    assert first["prediction2_explanations"][0]["asked"] == first["prediction2"]
    assert empty["prediction2_explanations"] == [] and "empty" in empty["prediction2_error"]
    assert last["prediction2_error"] is None
    assert (report.record["rows"], report.record["failed"], report.record["explanations"]) == (3, 1, 2)
    assert report.exit_code == 0


def test_a_page_reads_labels_as_the_model_has_them(trained: Path, tmp_path: Path) -> None:
    labels = {"a lovely story": 1, "a boring film": 0, "a lovely film": "Positive"}
    write_jsonl(tmp_path / "rows.jsonl", [{"text": text, "label": label} for text, label in labels.items()])
    output = tmp_path / "why.html"
    explain.run(Config(model=str(trained), input=str(tmp_path / "rows.jsonl"), output=output, **DEVICE))
    (block,) = re.findall(r"<script id=data type=application/json>(.*?)</script>", output.read_text())
    rows = json.loads(block)["rows"]
    assert [row["answer"] for row in rows] == [row["gold"] for row in rows] == ["positive", "negative", "positive"]
    assert all(row["right"] for row in rows)


def test_what_a_method_takes_hangs_on_no_other(trained: Path) -> None:
    def taken(*methods: str) -> dict[str, int]:
        report = explain.run(Config(model=str(trained), texts=["a boring film"], method=list(methods), **DEVICE))
        return {row[0]: row[-1] for row in report.tables[1].rows}

    assert taken("masked-copies", "shapley")["shapley"] == taken("shapley")["shapley"] > 3


def test_another_label_is_explained_by_the_opposite_figures(trained: Path) -> None:
    def scores(target: str) -> list[float]:
        config = Config(model=str(trained), texts=[TEXT], target=target, method=["occlusion"], **DEVICE)
        (found,) = explain.run(config).record["answers"][0]["prediction_explanations"]
        return list(found["methods"]["occlusion"]["scores"])

    assert scores("positive") == pytest.approx([-score for score in scores("negative")], abs=1e-6)


def test_a_pair_has_words_of_both_texts(run_of: RunOf) -> None:
    config = Config(model=str(run_of("pairs")), texts=["a good film"], text_pair=["a bad story"], **DEVICE)
    (found,) = explain.run(config).record["answers"][0]["prediction_explanations"]
    assert [(word["column"], word["text"]) for word in found["words"]] == [
        *(("text", word) for word in ("a", "good", "film")),
        *(("text_pair", word) for word in ("a", "bad", "story")),
    ]


def test_tokens_are_hidden_one_by_one(trained: Path) -> None:
    config = Config(model=str(trained), texts=["unlovely films"], by="tokens", method=["occlusion"], **DEVICE)
    (found,) = explain.run(config).record["answers"][0]["prediction_explanations"]
    assert len(found["words"]) > 2 and len(found["words"]) == len(found["methods"]["occlusion"]["scores"])


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"texts": [TEXT], "target": "postive"}, "--target postive: there is no such label.*Did you mean positive"),
        ({"texts": [TEXT], "method": ["occlussion"]}, "no such method.*Did you mean occlusion"),
        ({"texts": [TEXT], "filler": "minilm"}, "^--filler is for --counterfactual replace"),
        ({"texts": [TEXT], "output": Path("why.csv")}, "unknown format.*jsonl"),
        ({}, "give texts, or --input FILE"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(config: dict[str, object], says: str, trained: Path) -> None:
    with pytest.raises((UserError, OptionError)) as caught:
        explain.run(Config(model=str(trained), **config, **DEVICE))
    error = caught.value
    assert re.search(says, f"{error} {getattr(error, 'hint', '')}", re.DOTALL)


def test_a_text_without_words_fails(trained: Path) -> None:
    report = explain.run(Config(model=str(trained), texts=["  "], **DEVICE))
    assert report.exit_code == 1 and "empty" in report.failure


@pytest.mark.slow
def test_an_exported_model_is_refused_and_its_run_named(trained: Path, tmp_path: Path) -> None:
    from nlpkit.recipes import quantize

    quantize.run(quantize.Config(model=str(trained), to="onnx-fp32", output=tmp_path / "small", measure_seconds=0))
    with pytest.raises(UserError) as caught:
        explain.run(Config(model=str(tmp_path / "small"), texts=[TEXT], **DEVICE))
    assert "exported to ONNX" in str(caught.value) and str(trained) in str(caught.value.hint)


def test_of_an_embedder_the_likeness_of_two_texts_is_explained(run_of: RunOf, tmp_path: Path) -> None:
    run = str(run_of("embedding"))
    report = explain.run(Config(model=run, texts=[TEXT], text_pair=["a dull film"], **DEVICE))
    (answer,) = report.record["answers"]
    first, second = answer["prediction_explanations"]
    assert answer["prediction"] == pytest.approx(first["value"]) == pytest.approx(second["value"])
    assert [{word["column"] for word in one["words"]} for one in (first, second)] == [{"text"}, {"text_pair"}]
    write_jsonl(tmp_path / "pairs.jsonl", [{"sentence1": TEXT, "sentence2": "a dull film"}])
    output = tmp_path / "why.jsonl"
    explain.run(Config(model=run, input=str(tmp_path / "pairs.jsonl"), output=output, **DEVICE))
    (row,) = map(json.loads, output.read_text().splitlines())
    assert row["prediction"] == pytest.approx(answer["prediction"]) and len(row["prediction_explanations"]) == 2
    with pytest.raises(UserError, match="how like two texts are"):
        explain.run(Config(model=run, texts=[TEXT], **DEVICE))
    with pytest.raises(UserError, match="1 TEXT but 2 --text-pair"):
        explain.run(Config(model=run, texts=[TEXT], text_pair=["a", "b"], **DEVICE))


def test_words_of_two_texts_are_told_apart_in_the_table(run_of: RunOf) -> None:
    config = Config(
        model=str(run_of("question-answering")), question=["bad"], context="the film was late", target="late", **DEVICE
    )
    words, _ = explain.run(config).tables
    assert words.header == ["word", "erasure", "of"]
    assert [row[::2] for row in words.rows] == [
        ["bad", "question"],
        *([w, "context"] for w in ["the", "film", "was", "late"]),
    ]


def test_a_long_text_is_said_to_take_long(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "LONG", 5)
    with reporting.listening() as said:
        explain.run(Config(model=str(trained), texts=[TEXT, TEXT], **DEVICE))
        explain.run(Config(model=str(trained), texts=[TEXT], method=["weighted-rollout"], **DEVICE))
    assert [note for note in said.notes if "has 7 words" in note] == [
        "text 1 has 7 words: erasure asks the model about as many variants of it at least (weighted-rollout asks once)"
    ]
