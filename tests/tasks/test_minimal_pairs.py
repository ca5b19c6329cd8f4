"""Minimal pairs: which of two sentences a model that writes finds likelier, summed up by hand with transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import write_jsonl
from transformers import AutoModelForCausalLM, AutoTokenizer
from writers import make_writer

from nlpkit.errors import UserError
from nlpkit.generation.ngrams import NGrams
from nlpkit.recipes import compare, evaluate
from nlpkit.tasks.text_generation import pairs

GOOD = ["a good film", "the clerk was rude", "my soup was cold", "the film was a bore", "it is good " * 30]
BAD = ["a film good", "the clerk were rude", "my soup cold was", "a film was the bore", "is it good " * 30]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_writer(tmp_path_factory.mktemp("writer") / "model")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [
        {"sentence_good": good, "sentence_bad": bad, "UID": "long" if len(good) > 50 else "short"}
        for good, bad in zip(GOOD, BAD, strict=True)
    ]


def judged(model: Path, data: Path, **values: Any) -> Any:
    return evaluate.run(evaluate.Config(model=str(model), data=str(data), device="cpu", threads=1, **values))


def log_probability(folder: Path, text: str) -> float:
    """The sum over the tokens of a text, the first behind the token that begins a text; what a window holds at most."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]
    total, size = 0.0, model.config.n_positions
    for start in range(0, len(ids) - 1, size):
        window = torch.tensor([ids[start : start + size]])
        with torch.no_grad():
            chances = model(window).logits[0].double().log_softmax(-1)
        following = ids[start + 1 : start + size + 1]
        total += sum(float(chances[i, token]) for i, token in enumerate(following))
    return total


def test_ngrams_of_a_text_stand_beside_the_model(writer: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Pairs by the sums of their tokens' log-probabilities; the text is two documents."""
    texts = ["a good film, the clerk was rude", "my soup was cold"]
    (tmp_path / "text.txt").write_text("\n\n".join(texts), encoding="utf-8")
    data = write_jsonl(tmp_path / "pairs.jsonl", rows)
    report = judged(writer, data, ngrams_of=[str(tmp_path / "text.txt")])
    tokenizer = AutoTokenizer.from_pretrained(writer)
    begin = tokenizer.bos_token_id
    stream = [token for text in texts for token in (begin, *tokenizer(text)["input_ids"])]
    counted = NGrams(np.array(stream), len(tokenizer), begin)

    def told(text: str) -> np.ndarray:
        ids = np.array([begin, *tokenizer(text)["input_ids"]])
        return np.array([np.log(chance[1:]).sum() for chance, _ in counted.judged(ids)])

    ratios = np.array([told(good) - told(bad) for good, bad in zip(GOOD, BAD, strict=True)])
    assert [base["name"] for base in report.record["baselines"]] == [f"{order}-gram" for order in range(1, 6)]
    for order, base in enumerate(report.record["baselines"]):
        (found,) = base["metrics"].values()
        assert found["log_ratio"] == pytest.approx(ratios[:, order].mean())
        assert found["pair_accuracy"] == (ratios[:, order] > 1e-3).mean()
    assert [row[0] for row in report.tables[0].rows][-1].endswith("5-gram")
    with pytest.raises(UserError, match="--ngrams-of: the rows are no minimal pairs"):
        judged(writer, data, text_column="sentence_good", ngrams_of=[str(tmp_path / "text.txt")])


def test_the_likelier_sentence_is_told_by_sums_over_tokens(
    writer: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    report = judged(writer, write_jsonl(tmp_path / "pairs.jsonl", rows), breakdown_by="UID")
    (found,) = report.record["metrics"].values()
    ratios = np.array([log_probability(writer, a) - log_probability(writer, b) for a, b in zip(GOOD, BAD, strict=True)])
    assert 0 < (ratios > 0).sum() < len(ratios)  # or a model that is asked the wrong way round would pass
    assert found["pair_accuracy"] == (ratios > 0).mean()
    assert found["log_ratio"] == pytest.approx(ratios.mean(), abs=1e-3)
    assert found["ties"] == 0
    (groups,) = report.record["breakdown"]["groups"].values()
    assert {name: group["rows"] for name, group in groups.items()} == {"short": 4, "long": 1}
    shares = [(ratios[:4] > 0).mean(), (ratios[4:] > 0).mean()]
    assert [groups[name]["metrics"]["pair_accuracy"] for name in ("short", "long")] == pytest.approx(shares)
    (means,) = report.record["breakdown"]["means"].values()
    assert means == {"pair_accuracy": pytest.approx(np.mean(shares))}  # each group once
    assert any("on average over the groups" in line for line in report.lines)
    low, high = next(iter(report.record["metric_intervals"].values()))["pair_accuracy"]
    assert low <= found["pair_accuracy"] <= high


def test_rows_that_are_no_pair_are_named(writer: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    wrong = [{**rows[0], "sentence_bad": ""}, {**rows[0], "sentence_bad": GOOD[0]}, {**rows[0], "sentence_good": None}]
    report = judged(writer, write_jsonl(tmp_path / "pairs.jsonl", [*rows, *wrong]))
    assert list(report.record["rows"].values()) == [5] and list(report.record["rows_left_out"].values()) == [3]
    with pytest.raises(UserError, match="none of 3 rows can be used"):
        judged(writer, write_jsonl(tmp_path / "wrong.jsonl", wrong))


def test_pairs_are_asked_unless_a_text_is_named(writer: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "pairs.jsonl", rows[:4])
    (found,) = judged(writer, data, text_column="sentence_good").record["metrics"].values()
    assert "perplexity" in found and "pair_accuracy" not in found
    with pytest.raises(UserError, match="pair_accurasy"):
        judged(writer, data, fail_under={"pair_accurasy": 0.5})
    assert judged(writer, data, fail_under={"pair_accuracy": 1.01}).exit_code == 1


def test_models_are_compared_on_pairs(writer: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Whatever their tokens are, as what is counted is pairs."""
    other = make_writer(tmp_path / "other", "llama")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["film"])
    tokenizer.save_pretrained(other)
    model = AutoModelForCausalLM.from_pretrained(other)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(other)
    data = write_jsonl(tmp_path / "pairs.jsonl", rows)
    report = compare.run(compare.Config(runs=[str(writer), str(other)], data=str(data), device="cpu", threads=1))
    assert report.record["main_metric"] == "pair_accuracy"
    (found,) = report.record["comparisons"]
    assert found["differences"]["pair_accuracy"]["test"] == "McNemar's exact test"
    with pytest.raises(UserError, match="other tokens"):
        compare.run(
            compare.Config(
                runs=[str(writer), str(other)], data=str(data), text_column="sentence_good", device="cpu", threads=1
            )
        )


def test_what_float32_cannot_tell_apart_is_a_tie_and_not_won() -> None:
    nll = np.array([[40.0, 41.0], [40.0, 40.0001], [41.0, 40.0], [40.0, 40.0]])
    found = pairs.score(nll)
    assert found["pair_accuracy"] == 0.25 and found["ties"] == 2
    estimates = {name: found[name] for name in ("pair_accuracy", "log_ratio")}
    assert pairs.evidence(nll).observed() == pytest.approx(estimates)


def test_a_wrong_column_points_to_no_other_task(run_of: Any, tmp_path: Path) -> None:
    """Fill-mask reads the same rows, and is no way out."""
    (tmp_path / "texts.txt").write_text("a good film\nthe soup was cold\n", encoding="utf-8")
    config = evaluate.Config(
        model=str(run_of("causal-lm")), data=str(tmp_path / "texts.txt"), text_column="nope", device="cpu"
    )
    with pytest.raises(UserError, match="no text column 'nope'") as error:
        evaluate.run(config)
    assert "pretrain-mlm" not in str(error.value)
