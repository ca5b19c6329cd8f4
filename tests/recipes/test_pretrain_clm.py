"""`nlpkit pretrain-clm` from options to run folder: what it makes, measures, says and refuses."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import make_model as make_encoder
from pretraining_runs import assert_same_result, documents, logged, record, signal_after, texts, weights, write_corpus
from transformers import AutoModelForCausalLM, AutoTokenizer
from writers import byte_tokenizer, make_writer

from nlpkit.errors import Interrupted, UserError
from nlpkit.pretraining.decoders import DecoderOptions, learning_rate
from nlpkit.recipes import evaluate, predict, pretrain_clm, train_tokenizer

pytestmark = pytest.mark.slow

OPTIONS: dict[str, Any] = {
    "layers": 1,
    "hidden_size": 32,
    "heads": 2,
    "max_length": 24,
    "batch_size": 8,
    "learning_rate": 5e-3,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("sources")
    byte_tokenizer().save_pretrained(folder / "tokenizer")
    held = write_corpus(folder / "held.txt", documents(12, seed=7))
    return {
        "data": [str(write_corpus(folder / "text.txt", documents(60)))],
        "validation_file": [str(held)],
        "tokenizer": str(folder / "tokenizer"),
    }


def pretrain(output: Path, **values: Any) -> Path:
    pretrain_clm.run(pretrain_clm.Config(**{**OPTIONS, "output": output, **values}))
    return output


@pytest.fixture(scope="module")
def run(sources: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(tmp_path_factory.mktemp("clm") / "run", **sources, max_steps=60, eval_steps=30)


def test_it_learns_and_transformers_opens_it(run: Path, sources: dict[str, Any]) -> None:
    made = record(run)
    losses = logged(run, "eval_loss")
    assert losses[60] < losses[30] < math.log(320)
    model: Any = AutoModelForCausalLM.from_pretrained(run)
    tokenizer = AutoTokenizer.from_pretrained(run)
    assert model.config.model_type == "gpt2" and model.generation_config.eos_token_id == tokenizer.eos_token_id
    written = model.generate(**tokenizer("the film", return_tensors="pt"), max_new_tokens=5, do_sample=False)
    config = predict.Config(model=str(run), texts=["the film"], max_new_tokens=5, device="cpu")
    (answer,) = predict.run(config).record["answers"]
    assert tokenizer.decode(written[0]) == f"the film{answer['prediction']}"
    assert made["task"]["name"] == "text-generation"
    assert made["samples"][0]["text"]


def test_evaluate_tells_the_figures_of_training(run: Path, sources: dict[str, Any], tmp_path: Path) -> None:
    """Documents one by one, as rows of a table, are what training judges in windows, where these hold each whole."""
    from conftest import write_jsonl

    rows = [{"text": "\n".join(lines)} for lines in documents(12, seed=7)]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    longest = 400
    wide = pretrain(
        tmp_path / "wide", **{**sources, "validation_file": [str(data)]}, max_length=longest, max_steps=2, batch_size=2
    )
    report = evaluate.run(evaluate.Config(model=str(wide), data=str(data), device="cpu", threads=1))
    found = report.record["metrics"]["rows.jsonl"]
    wanted = record(wide)["metrics"]["validation"]
    # a first document has nothing before it in training
    assert found["loss"] == pytest.approx(wanted["loss"], rel=0.02)
    assert found["bits_per_byte"] == pytest.approx(wanted["bits_per_byte"], rel=0.02)


@pytest.mark.parametrize("arch", ["llama", "qwen3", "nanochat"])
def test_other_architectures(arch: str, sources: dict[str, Any], tmp_path: Path) -> None:
    made = pretrain(tmp_path / arch, **sources, arch=arch, max_steps=2)
    model: Any = AutoModelForCausalLM.from_pretrained(made)
    assert model.config.model_type == arch and model.config.num_hidden_layers == 1


def test_interrupted_then_resumed(sources: dict[str, Any], tmp_path: Path) -> None:
    options = {**sources, "max_steps": 24, "eval_steps": 8, "logging_steps": 3, "dropout": 0.1}
    whole = pretrain(tmp_path / "whole", **options)
    parted = tmp_path / "parted"
    with pytest.MonkeyPatch.context() as patch:
        signal_after(13, patch)
        with pytest.raises(Interrupted) as stop:
            pretrain(parted, **options)
    assert stop.value.hint == f"Go on with: nlpkit pretrain-clm --output {parted} --resume"
    pretrain_clm.run(pretrain_clm.Config(output=parted, resume=True))
    assert_same_result(parted, whole)


def test_it_goes_on_with_a_model(sources: dict[str, Any], tmp_path: Path) -> None:
    begun = make_writer(tmp_path / "begun")
    made = tmp_path / "run"
    options = {"data": sources["data"], "model": str(begun), "max_length": 24, "batch_size": 8, "max_steps": 2}
    pretrain_clm.run(pretrain_clm.Config(**options, output=made, device="cpu", threads=1))
    assert record(made)["config"]["learning_rate"] == 5e-5
    before, after = weights(begun), weights(made)
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("hidden_size", "rate"), [(768, 6e-4), (384, 1.2e-3), (32, 3e-3)])
def test_narrow_models_learn_at_a_higher_rate(hidden_size: int, rate: float) -> None:
    assert learning_rate(DecoderOptions(hidden_size=hidden_size)) == pytest.approx(rate)


def test_muon_learns_and_resumes(sources: dict[str, Any], tmp_path: Path) -> None:
    options = {**sources, "optimizer": "muon", "max_steps": 16, "eval_steps": 8}
    whole = pretrain(tmp_path / "whole", **options)
    parted = tmp_path / "parted"
    with pytest.MonkeyPatch.context() as patch:
        signal_after(10, patch)
        with pytest.raises(Interrupted):
            pretrain(parted, **options)
    pretrain_clm.run(pretrain_clm.Config(output=parted, resume=True))
    assert_same_result(parted, whole)
    plain = pretrain(tmp_path / "plain", **{**options, "optimizer": "adamw"})
    assert record(plain)["metrics"] != record(whole)["metrics"]
    assert logged(whole, "eval_loss")[16] < logged(whole, "eval_loss")[8]


def test_a_gpt2_on_a_book_is_a_recipe_that_needs_none(tmp_path: Path) -> None:
    """Both files run as they stand, on the sample in the package, but for the steps; a book takes its place."""
    recipes = Path(__file__).parents[2] / "recipes"
    made = {"output": tmp_path / "tokenizer"}
    tokenizer = train_tokenizer.Config.from_sources(made, recipes / "gpt2-book-tokenizer.yaml", "train-tokenizer")
    about = train_tokenizer.run(tokenizer).record["tokenizer"]
    assert (about["class"], about["vocab_size_asked"]) == ("GPT2Tokenizer", 50_000)
    given = {"tokenizer": str(tmp_path / "tokenizer"), "output": tmp_path / "run", "max_steps": 10, "device": "cpu"}
    config = pretrain_clm.Config.from_sources(given, recipes / "gpt2-book.yaml", "pretrain-clm")
    assert (config.max_length, config.batch_size, config.document_end) == (100, 12, "file")
    pretrain_clm.run(config)
    losses = logged(tmp_path / "run", "loss")
    assert list(losses) == list(range(1, 11)) and losses[10] < losses[1]  # each a tenth of the run
    book = "\n".join(f"Page {number} of a book of its own." for number in range(2_000))
    (tmp_path / "book.txt").write_text(book, encoding="utf-8")
    given |= {"data": [str(tmp_path / "book.txt")], "output": tmp_path / "book", "max_steps": 1}
    config = pretrain_clm.Config.from_sources(given, recipes / "gpt2-book.yaml", "pretrain-clm")
    assert pretrain_clm.run(config).record["steps"] == 1


def test_windows_overlap_with_a_stride(sources: dict[str, Any], tmp_path: Path) -> None:
    plain = record(pretrain(tmp_path / "plain", **sources, max_steps=1))
    apart = record(pretrain(tmp_path / "apart", **sources, max_steps=1, stride=12))
    assert apart["rows"]["train"] == pytest.approx(2 * plain["rows"]["train"], abs=2)


def test_a_file_can_be_one_document(tmp_path: Path, sources: dict[str, Any]) -> None:
    rng = random.Random(0)
    text = "\n\n".join(rng.choice(texts(40)) for _ in range(600))
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    options = {**OPTIONS, **sources, "data": [str(tmp_path / "text.txt")], "validation_file": [], "max_steps": 1}
    whole = pretrain_clm.build(pretrain_clm.Config(**options, document_end="file", output=tmp_path / "whole"))
    lines = pretrain_clm.build(pretrain_clm.Config(**options, output=tmp_path / "lines"))
    ends = whole.tokenizer.eos_token_id
    assert (whole.train.stream.tokens == ends).sum() == 1
    assert (lines.train.stream.tokens == ends).sum() > 100
    assert "\n\n" in whole.tokenizer.decode(whole.train.stream.tokens[:100])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": 25}, "--stride 25 is more than --max-length 24"),
        ({"tokenizer": None}, "a model from scratch needs a --tokenizer"),
        ({"sample": ["the film " * 30]}, "--sample: 'the film"),
        ({"hidden_size": 30, "heads": 4}, "--hidden-size 30 is not a multiple of --heads 4"),
        ({"document_end": " "}, "give blank-line, file, or the text of a line"),
    ],
)
def test_what_is_refused(sources: dict[str, Any], tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        pretrain(tmp_path / "run", **{**sources, **values})
    assert message in str(error.value)
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


def test_an_encoder_is_refused(sources: dict[str, Any], tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    with pytest.raises(UserError, match="is no model that goes on with a text"):
        pretrain_clm.run(
            pretrain_clm.Config(
                data=sources["data"],
                model=str(encoder),
                tokenizer=sources["tokenizer"],
                max_length=24,
                output=tmp_path / "run",
            )
        )


def test_baselines_stand_beside_the_model(run: Path, sources: dict[str, Any], tmp_path: Path) -> None:
    """n-grams and an LSTM see the same text and judge the same tokens; the model is what it is without them."""
    config = pretrain_clm.Config(
        **{**OPTIONS, **sources, "output": tmp_path / "run", "max_steps": 60, "eval_steps": 30, "baseline": "both"}
    )
    report = pretrain_clm.run(config)
    made = record(tmp_path / "run")
    assert made["metrics"] == record(run)["metrics"]
    assert [base["name"] for base in made["baselines"]] == [*(f"{order}-gram" for order in range(1, 6)), "LSTM"]
    judged = [each["metrics"]["validation"] for each in (*made["baselines"], made)]
    losses = [metrics["loss"] for metrics in judged]
    assert losses[1] < losses[0] < math.log(320)
    assert losses[5] < math.log(320)
    assert all(set(metrics) == set(judged[0]) for metrics in judged)
    # bits and nats of as many tokens and bytes
    ratios = [metrics["bits_per_byte"] / metrics["loss"] for metrics in judged]
    assert ratios == pytest.approx([ratios[-1]] * len(ratios), rel=1e-6)
    beside = [f"validation: {base['name']}" for base in made["baselines"]]
    assert [row[0] for row in report.tables[0].rows] == ["validation", *beside]
    card = (tmp_path / "run" / "README.md").read_text()
    assert all(f"| {name} |" in card for name in beside)
    with pytest.raises(UserError, match="--baseline"):
        pretrain_clm.run(config.changed(streaming=True, max_steps=2, output=tmp_path / "streamed"))
