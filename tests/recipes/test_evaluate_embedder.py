"""`evaluate` of embedders: collections, questions and their paragraphs, translations, and vectors that are kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_csv, write_jsonl
from datasets import Dataset
from transformers import AutoTokenizer

from nlpkit import reporting
from nlpkit.data.places import PLACE
from nlpkit.data.sources import LoadedData, Source
from nlpkit.errors import UserError
from nlpkit.inference import remembered
from nlpkit.recipes import check_data, compare, evaluate
from nlpkit.reporting import Report
from nlpkit.tasks import features, outputs
from nlpkit.tasks.sentence_embedding import judging
from nlpkit.tasks.sentence_embedding.options import EmbeddingJudgeOptions
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
WORDS = ["good", "bad", "film", "day", "clerk", "great"]
DOCUMENTS = [f"the {one} {other}" for one in WORDS for other in WORDS]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """36 documents; each of the four queries is one of them, and the last has none that is relevant."""
    folder = tmp_path / "beir"
    folder.mkdir()
    write_jsonl(folder / "corpus.jsonl", [{"_id": i, "text": text} for i, text in enumerate(DOCUMENTS)])
    queries = [{"_id": f"q{i}", "text": DOCUMENTS[i]} for i in (3, 9, 20, 30)] + [{"_id": "none", "text": "a day"}]
    write_jsonl(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    judged = [f"q{i}\t{i}\t1\n" for i in (3, 9, 20, 30)] + ["none\t1\t0\n"]
    (folder / "qrels" / "test.tsv").write_text("".join(judged), encoding="utf-8")
    return folder


def judged(model: Path, data: Path, **options: Any) -> Report:
    config = evaluate.Config(model=str(model), data=str(data), **{"save": False, **CPU, **options})
    return evaluate.run(config)


def test_queries_of_a_collection_are_the_rows_that_are_judged(run_of: RunOf, collection: Path) -> None:
    with reporting.listening() as heard:
        report = judged(run_of("embedding"), collection)
    record = report.record
    assert record["rows"] == {"test": 4}
    assert record["rows_left_out"] == {"test": 1}
    assert "no document was judged relevant was left out" in " ".join(heard.warnings)
    assert record["interval_units"] == {"test": {"queries": 4}}
    # each query is its own document, which is most alike to itself
    assert record["metrics"]["test"]["ndcg@10"] == record["metrics"]["test"]["precision@1"] == 1
    assert record["metrics"]["test"]["unjudged@10"] == pytest.approx(0.9)


def test_a_sample_of_queries_searches_all_documents(run_of: RunOf, collection: Path) -> None:
    everything = judged(run_of("embedding"), collection)
    some = judged(run_of("embedding"), collection, max_eval_samples=2)
    assert some.record["rows"]["test"] < everything.record["rows"]["test"]
    assert some.record["metrics"]["test"]["unjudged@10"] == pytest.approx(0.9)


def test_a_part_of_the_documents_is_not_judged() -> None:
    row = {"text": "a", "documents": ["b"], "document_ids": ["1"], "judged": [{"id": "1", "grade": 1.0}], "corpus": 2}
    with pytest.raises(UserError, match="1 of the 2 documents stand beside these queries"):
        judging.collection(np.ones((1, 2, 4), np.float32), Dataset.from_list([row]))


def test_the_worst_queries_are_told_with_what_stood_above(run_of: RunOf, collection: Path) -> None:
    (collection / "qrels" / "test.tsv").write_text("q3\t3\t1\nq9\t4\t1\n", encoding="utf-8")
    (worst,) = judged(run_of("embedding"), collection).record["details"]["test"]["worst"]
    assert (worst["text"], worst["label"], worst["prediction"]) == (DOCUMENTS[9], DOCUMENTS[4], DOCUMENTS[9])
    assert worst["rank"] > 1
    assert worst["above"][0].startswith(f"{DOCUMENTS[9]} (1.000")


def test_texts_that_are_cut_are_counted_among_texts(run_of: RunOf, collection: Path, tmp_path: Path) -> None:
    """Each query comes with a share of the documents, and each pair with two texts."""
    long = " ".join(["film"] * 600)
    documents = [{"_id": i, "text": text if i < 30 else long} for i, text in enumerate(DOCUMENTS)]
    write_jsonl(collection / "corpus.jsonl", documents)
    rows = [{"sentence1": text, "sentence2": long, "score": i} for i, text in enumerate(DOCUMENTS[:3])]
    pairs = write_jsonl(tmp_path / "pairs.jsonl", [*rows, {"sentence1": long, "sentence2": long, "score": 4}])
    for data, said in ((collection, "6 of 40 texts"), (pairs, "5 of 8 texts")):
        with reporting.listening() as heard:
            judged(run_of("embedding"), data)
        assert any(f"{said} are longer than" in warning for warning in heard.warnings), heard.warnings


def test_texts_of_examples_that_are_trained_on_are_counted_one_by_one(run_of: RunOf) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run_of("embedding"))
    long = " ".join(["film"] * 40)
    task = SentenceEmbedding(vectors=Vectors(), max_length=16, together=True)
    made = task.features(tokenizer, {"text": ["film", long], "text_pair": [long, long]})
    cut = features.cut_of(task, made)
    assert (cut.texts, cut.rows, cut.longest) == (3, 4, 42)


def test_queries_and_documents_begin_with_their_prompts(run_of: RunOf) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run_of("embedding"))
    vectors = Vectors(prompts={"query": "good ", "passage": "bad "}, include_prompt=False)
    made = SentenceEmbedding(vectors=vectors, max_length=32).features(
        tokenizer, {"text": ["film"], "documents": [["day", "clerk"]]}
    )
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in made["input_ids"]]
    assert texts == ["good film", "bad day", "bad clerk"]
    assert made["prompt_tokens"] == [2, 2, 2]
    chosen = vectors.with_(default_prompt="query")
    assert [chosen.prompt_of(part) for part in ("query", "document")] == ["good ", "good "]


@pytest.mark.parametrize(
    ("columns", "options", "begun"),
    [
        (("question", "answer"), {}, ("good ", "bad ")),
        (("question", "answer"), {"prompt": ""}, ("", "")),
        (("question", "answer"), {"prompt": "day "}, ("day ", "day ")),
        (("anchor", "positive"), {}, ("", "")),
    ],
)
def test_questions_and_answers_begin_with_the_prompts_of_their_sides(
    run_of: RunOf, columns: tuple[str, str], options: dict[str, str], begun: tuple[str, str]
) -> None:
    vectors = Vectors(prompts={"query": "good ", "passage": "bad "})
    task = SentenceEmbedding(vectors=vectors, max_length=32).configured(EmbeddingJudgeOptions(**options))
    rows = Dataset.from_list([dict.fromkeys(columns, "film") | dict.fromkeys(PLACE, 0)])
    loaded = LoadedData({"test": rows}, Source(""), [("faq.csv", "line")])
    with reporting.listening() as heard:
        reader = task.reader(columns).settled(rows, "test", loaded)
        examples = reader.examples(rows, "test", loaded)
    tokenizer = AutoTokenizer.from_pretrained(run_of("embedding"))
    texts = [
        tokenizer.decode(ids, skip_special_tokens=True) for ids in task.features(tokenizer, examples[:])["input_ids"]
    ]
    assert texts == [f"{begun[0]}film", f"{begun[1]}film"]
    said = "texts of 'question' begin with 'good ', of 'answer' with 'bad '"
    assert any(said in note for note in heard.notes) == (begun == ("good ", "bad "))


def test_runs_that_were_judged_by_pairs_are_compared_by_what_the_rows_tell(
    run_of: RunOf, collection: Path, tmp_path: Path
) -> None:
    run, other = run_of("embedding"), tmp_path / "other"
    shutil.copytree(run, other)
    record = compare.run(compare.Config(runs=[str(run), str(other)], data=str(collection), **CPU)).record
    assert (record["main_metric"], record["rows"]) == ("ndcg@10", 4)
    (found,) = record["comparisons"]
    assert found["differences"]["ndcg@10"]["value"] == 0


def test_queries_of_a_collection_are_no_data_to_train_on(run_of: RunOf, collection: Path) -> None:
    config = check_data.Config(task="sentence-embedding", model=str(run_of("embedding")), data=str(collection))
    with pytest.raises(UserError, match="they judge, and no loss learns from them"):
        check_data.run(config)


def test_vectors_that_were_computed_before_are_taken_from_the_cache(
    run_of: RunOf, collection: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remembered, "FEWEST", 1)
    first = judged(run_of("embedding"), collection)
    with reporting.listening() as heard:
        again = judged(run_of("embedding"), collection)
    assert any("40 of 40 texts had their vectors in the cache" in note for note in heard.notes)
    assert again.record["metrics"] == first.record["metrics"]
    assert first.record["rows_per_second"] > 0 and first.record["from_cache"] == 0
    assert again.record["rows_per_second"] is None and again.record["from_cache"] == 40  # nothing was timed
    with reporting.listening() as heard:  # other vectors, of which none is known
        judged(run_of("embedding"), collection, normalize=False)
    assert not any("in the cache" in note for note in heard.notes)


def test_questions_of_squad_search_the_distinct_paragraphs(run_of: RunOf, tmp_path: Path) -> None:
    paragraphs: Sequence[Mapping[str, Any]] = [
        {"context": text, "qas": [{"id": f"{text} {i}", "question": text, "answers": []} for i in range(2)]}
        for text in DOCUMENTS[:5]
    ]
    path = tmp_path / "squad.json"
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8")
    record = judged(run_of("embedding"), path).record
    assert record["rows"] == {"squad.json": 10}
    assert record["metrics"]["squad.json"] == {"mrr@10": 1, "accuracy@1": 1, "recall@10": 1, "ndcg@10": 1}


def test_a_class_beside_a_question_and_its_answer_is_no_score(run_of: RunOf, tmp_path: Path) -> None:
    rows = [{"question": text, "answer": text, "category": "x"} for text in DOCUMENTS[:6]]
    record = judged(run_of("embedding"), write_jsonl(tmp_path / "faq.jsonl", rows)).record
    assert record["metrics"]["faq.jsonl"]["accuracy@1"] == 1


def test_translations_are_judged_both_ways(run_of: RunOf, tmp_path: Path) -> None:
    rows = [{"source": text, "target": text} for text in DOCUMENTS[:6]]
    report = judged(run_of("embedding"), write_jsonl(tmp_path / "pairs.jsonl", rows), shape="translations")
    metrics = report.record["metrics"]["pairs.jsonl"]
    names = ("accuracy", "accuracy_forward", "accuracy_backward", "same_language")
    assert metrics == dict(zip(names, (1, 1, 1, 0), strict=True))


def test_a_threshold_that_was_chosen_elsewhere_has_precision_and_recall(run_of: RunOf, tmp_path: Path) -> None:
    rows = [
        {"sentence1": f"the {one}", "sentence2": f"a {other}", "label": int(one == other)}
        for one in WORDS
        for other in WORDS
    ]
    data = write_jsonl(tmp_path / "pairs.jsonl", rows)
    (chosen,) = judged(run_of("embedding"), data).metrics.values()
    report = judged(run_of("embedding"), data, pair_threshold=chosen["f1_threshold"])
    (metrics,) = report.metrics.values()
    for name in ("precision", "recall", "f1"):
        assert metrics[f"{name}_at_threshold"] == pytest.approx(chosen[name])
        assert f"{name}_at_threshold" in report.tables[0].header
    (between,) = report.record["metric_intervals"].values()
    assert {"precision_at_threshold", "recall_at_threshold", "f1_at_threshold"} <= set(between)
    (nothing,) = judged(run_of("embedding"), data, pair_threshold=1.5).metrics.values()
    assert nothing["recall_at_threshold"] == nothing["f1_at_threshold"] == 0
    assert {name: metrics[name] for name in chosen} == chosen
    scored = write_jsonl(tmp_path / "scored.jsonl", [{**row, "label": i / 7} for i, row in enumerate(rows)])
    with pytest.raises(UserError, match="--pair-threshold is for pairs that are alike or not, not for scored-pairs"):
        judged(run_of("embedding"), scored, pair_threshold=0.5)


def test_pairs_of_0_and_1_have_a_threshold_and_figures_by_each_similarity(run_of: RunOf, tmp_path: Path) -> None:
    rows = [{"sentence1": text, "sentence2": text, "label": 1} for text in DOCUMENTS[:6]]
    rows += [{"sentence1": text, "sentence2": "bad", "label": 0} for text in DOCUMENTS[:6]]
    data = write_jsonl(tmp_path / "pairs.jsonl", rows)
    report = judged(run_of("embedding"), data, fail_under={"average_precision_dot": 0.5})
    metrics = report.record["metrics"]["pairs.jsonl"]
    assert metrics["average_precision"] == metrics["f1"] == metrics["roc_auc_manhattan"] == 1
    assert 0 < metrics["f1_threshold"] < 1
    assert any("by similarity" in table.title for table in report.tables)


def test_outputs_with_more_texts_in_one_part_than_in_another_are_joined() -> None:
    joined = outputs.joined([np.zeros((2, 3, 4), np.float32), np.ones((1, 2, 4), np.float32)])
    assert joined.shape == (3, 3, 4)
    assert np.isnan(joined[2, 2]).all()
    assert (joined[2, :2] == 1).all()


@pytest.mark.slow
def test_the_run_of_another_task_is_judged_on_pairs_with_columns_of_their_own(run_of: RunOf, tmp_path: Path) -> None:
    """Whether it was trained on these rows is looked for in the columns that they have."""
    rows = [{"sentence1": "good film", "sentence2": text, "score": i} for i, text in enumerate(WORDS)]
    write_jsonl(tmp_path / "sts.jsonl", rows)
    report = judged(run_of("classification"), tmp_path / "sts.jsonl", task="sentence-embedding")
    assert report.record["rows"] == {"sts.jsonl": len(WORDS)}
    assert "spearman" in report.record["metrics"]["sts.jsonl"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dims": 64}, "keep 64 dimensions, and the model's have 32"),
        ({"shape": "texts", "text_column": "sentence1"}, "nothing in these rows tells which answers are right"),
    ],
)
def test_what_cannot_be_judged_is_refused(options: dict[str, Any], said: str, run_of: RunOf, tmp_path: Path) -> None:
    rows = [{"sentence1": f"a good film {i}", "sentence2": f"the rude clerk {i}", "score": i} for i in range(8)]
    data = write_csv(tmp_path / "rows.csv", rows)
    config = evaluate.Config(model=str(run_of("embedding")), data=str(data), device="cpu", save=False, **options)
    with pytest.raises(UserError, match=said):
        evaluate.run(config)
