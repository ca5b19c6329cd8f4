"""`finetune-seq2seq`: what is learned, what is judged, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import numpy as np
import pytest
import sacrebleu
import torch
from conftest import RunOf, write_jsonl
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerFast
from translators import MULTILINGUAL, SHAPES, make_family, make_multilingual, make_pair
from writers import PAD, byte_tokenizer, make_writer

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.recipes import evaluate, finetune_seq2seq, predict
from nlpkit.tasks.text2text_generation.token_ids import known_before

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
STEPS: dict[str, Any] = {"batch_size": 16, "max_steps": 2, **CPU}
LANGUAGES = {
    "mbart": ("en_XX", "de_DE"),
    "mbart50": ("fr_XX", "de_DE"),
    "nllb": ("fra_Latn", "deu_Latn"),
}  # tokenizer -> languages that are read and written


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for split, (count, seed) in {"train": (48, 1), "validation": (12, 2)}.items():
        write_jsonl(folder / f"{split}.jsonl", every_task.turned(count, seed))
    return folder


def trained(data: Path, output: Path, **options: Any) -> dict[str, Any]:
    config = finetune_seq2seq.Config(data=str(data), output=output, **{**STEPS, **options})
    return finetune_seq2seq.run(config).record


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "nlpkit.json").read_text())
    return record


@pytest.mark.slow
def test_a_small_model_learns_to_copy_and_is_judged_by_what_it_writes(tmp_path: Path) -> None:
    words = ["red", "green", "blue", "black", "white", "grey", "pink", "brown"]
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for split, count in (("train", 600), ("validation", 30)):
        texts = [" ".join(rng.choice(words, 3)) for _ in range(count)]
        write_jsonl(tmp_path / "data" / f"{split}.jsonl", [{"source": text, "target": text.upper()} for text in texts])
    record = trained(
        tmp_path / "data",
        tmp_path / "run",
        arch="marian",
        encoder_layers=1,
        decoder_layers=1,
        hidden_size=64,
        heads=2,
        vocab_size=330,
        dropout=0.0,
        learning_rate=3e-3,
        warmup=0.1,
        max_steps=250,
        batch_size=32,
        max_target_length=24,
        measure="translation",
        eval_steps=250,
    )
    found, (copied, *_) = record["metrics"]["validation"], record["baselines"]
    assert found["exact_match"] > 50
    assert copied["name"] == "source" and copied["metrics"]["validation"]["bleu"] < 1
    texts = [json.loads(line) for line in (tmp_path / "data" / "validation.jsonl").read_text().splitlines()]
    answers = predict.run(
        predict.Config(model=str(tmp_path / "run"), texts=[row["source"] for row in texts], **CPU)
    ).record["answers"]
    said = [answer["prediction"] for answer in answers]
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, [[row["target"] for row in texts]]).score)
    # as Transformers opens it
    model, tokenizer = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    for row, text in zip(texts[:5], said, strict=False):
        written = model.generate(**tokenizer(row["source"], return_tensors="pt"))
        assert tokenizer.decode(written[0], skip_special_tokens=True) == text
    assert len((tmp_path / "run" / "errors.jsonl").read_text().splitlines()) == 20


@pytest.mark.parametrize("family", [*SHAPES])
def test_the_loss_is_that_of_the_model_itself(family: str, data: Path, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", family)
    trainer = finetune_seq2seq.build(
        finetune_seq2seq.Config(
            data=str(data), model=str(folder), output=tmp_path / "run", label_smoothing=0.0, dropout=0.0, **STEPS
        )
    )
    batch = next(iter(trainer.get_train_dataloader()))
    ours = trainer.compute_loss(trainer.model, dict(batch))
    theirs = trainer.model(**batch).loss
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    assert (batch["labels"] == -100).any()  # rows are of several lengths


def test_smoothing_is_that_of_transformers_over_the_tokens_that_are_there(data: Path, tmp_path: Path) -> None:
    from transformers.trainer_pt_utils import LabelSmoother

    folder = make_family(tmp_path / "model", "t5")
    trainer = finetune_seq2seq.build(
        finetune_seq2seq.Config(data=str(data), model=str(folder), output=tmp_path / "run", dropout=0.0, **STEPS)
    )
    batch = next(iter(trainer.get_train_dataloader()))
    ours = trainer.compute_loss(trainer.model, dict(batch))
    theirs = LabelSmoother(epsilon=0.1)(trainer.model(**batch), batch["labels"])
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
def test_weights_go_on_and_are_opened_by_transformers(family: str, data: Path, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", family)
    record = trained(data, tmp_path / "run", model=str(folder), prefix="turn: ")
    assert record["task"]["prefix"] == "turn: "
    model, tokenizer = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    answer = predict.run(predict.Config(model=str(tmp_path / "run"), texts=["a good film"], **CPU)).record["answers"][0]
    tokens = tokenizer("turn: a good film", return_tensors="pt")
    written = model.generate(**tokens, forced_eos_token_id=None)[0]
    assert answer["prediction"] == tokenizer.decode(written, skip_special_tokens=True).strip()


@pytest.mark.parametrize("decoder", ["bert", "gpt2"])
def test_two_models_are_joined_and_their_loss_is_that_of_transformers(decoder: str, data: Path, tmp_path: Path) -> None:
    encoder, writer = make_pair(tmp_path, decoder)
    options: dict[str, Any] = {"data": str(data), "encoder": str(encoder), "decoder": str(writer), **STEPS}
    config = finetune_seq2seq.Config(**options, output=tmp_path / "run", label_smoothing=0.0, dropout=0.0)
    trainer = finetune_seq2seq.build(config)
    batch = next(iter(trainer.get_train_dataloader()))
    ours, theirs = trainer.compute_loss(trainer.model, dict(batch)), trainer.model(**batch).loss
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.slow
def test_a_pair_is_trained_opened_by_transformers_and_judged_again(data: Path, tmp_path: Path) -> None:
    encoder, decoder = make_pair(tmp_path, "gpt2")
    record = trained(data, tmp_path / "run", encoder=str(encoder), decoder=str(decoder), max_target_length=24)
    assert record["parents"]["model"]["name"] == "bert-to-gpt2"
    assert "Made of bert, which reads, and gpt2, which writes" in (tmp_path / "run" / "README.md").read_text()
    model, tokenizer = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    answer = predict.run(predict.Config(model=str(tmp_path / "run"), texts=["a good film"], **CPU)).record["answers"][0]
    written = model.generate(**tokenizer("a good film", return_tensors="pt"))[0]
    assert answer["prediction"] == tokenizer.decode(written, skip_special_tokens=True).strip()
    figures = evaluate.run(evaluate.Config(model=str(tmp_path / "run"), **CPU)).record["metrics"]["validation"]
    assert figures == pytest.approx(record["metrics"]["validation"])


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_what_reads_is_frozen_and_what_writes_is_trained(family: str, data: Path, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", family)
    for what, trains in (("encoder", "decoder"), ("embeddings", "encoder")):
        config = {"data": str(data), "model": str(folder), "output": tmp_path / what, "freeze": what, **STEPS}
        weights = dict(finetune_seq2seq.build(finetune_seq2seq.Config(**config)).model.named_parameters())
        moved = {name for name, weight in weights.items() if weight.requires_grad}
        assert not any("shared" in name or "lm_head" in name for name in moved)
        assert any(f"{trains}." in name for name in moved)
        assert any(name.split("decoder")[0] == name for name in moved) == (what == "embeddings")


@pytest.mark.slow
@pytest.mark.parametrize("kind", MULTILINGUAL)
def test_a_run_writes_in_the_language_that_it_was_trained_to(kind: str, data: Path, tmp_path: Path) -> None:
    source, target = LANGUAGES[kind]
    folder = make_multilingual(tmp_path / "model", kind)
    options = {"source_language": source, "target_language": target, "max_target_length": 24}
    record = trained(data, tmp_path / "run", model=str(folder), **options, label_smoothing=0.0)
    assert record["task"]["languages"] == {"source": source, "target": target}
    model, tokenizer = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    code = tokenizer.convert_tokens_to_ids(target)
    answer = predict.run(predict.Config(model=str(tmp_path / "run"), texts=["a good film"], **CPU)).record["answers"][0]
    tokens = tokenizer("a good film", return_tensors="pt")
    assert tokenizer.convert_tokens_to_ids(source) in tokens["input_ids"][0]
    written = model.generate(**tokens, forced_eos_token_id=None)[0]
    assert answer["prediction"] == tokenizer.decode(written, skip_special_tokens=True).strip()
    # as it learned: what the decoder read before the first token of a target ends with the language
    known = tokenizer(text_target="film", return_tensors="pt")["input_ids"]
    first = tokenizer.convert_tokens_to_ids("▁film" if kind != "nllb" else "▁")
    shifted = known_before(model, known)[0].tolist()
    place = known[0].tolist().index(first)
    assert shifted[: place + 1] == written.tolist()[: place + 1]
    assert written[place] == code


def test_texts_alone_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"source": row["source"]} for row in every_task.turned(12, 1)])
    with pytest.raises(UserError, match="one column alone, 'source': there is nothing to be written for it"):
        trained(tmp_path, tmp_path / "run", **every_task.SMALL_T5)


def test_a_tokenizer_that_cannot_end_a_text_is_refused(data: Path, tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "t5")
    inner = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=inner, pad_token=PAD).save_pretrained(folder)
    with pytest.raises(UserError, match="no token for the end of a text: a model could not learn to stop"):
        trained(data, tmp_path / "run", model=str(folder))


def test_languages_that_nobody_names_are_told(data: Path, tmp_path: Path) -> None:
    folder = make_multilingual(tmp_path / "model", "mbart50")
    config = {"data": str(data), "model": str(folder), "output": tmp_path / "run", **STEPS}
    with reporting.listening() as heard:
        finetune_seq2seq.build(finetune_seq2seq.Config(**config))
    assert any(
        "what is read with en_XX (--source-language), what is written with en_XX" in said for said in heard.warnings
    )


def test_a_model_without_an_encoder_learns_the_answer_alone(data: Path, tmp_path: Path) -> None:
    folder = make_writer(tmp_path / "model", n_positions=256)
    config = finetune_seq2seq.Config(
        data=str(data), model=str(folder), output=tmp_path / "run", label_smoothing=0.0, dropout=0.0, **STEPS
    )
    trainer = finetune_seq2seq.build(config)
    rows = [trainer.train_dataset[i] for i in range(3)]
    ours = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first = json.loads((data / "train.jsonl").read_text().splitlines()[0])
    assert tokenizer.decode(rows[0]["input_ids"]) == first["source"] + "\n"
    assert tokenizer.decode(rows[0]["labels"]) == first["target"] + tokenizer.eos_token
    # one row at a time, without padding, by the model's own loss
    total, count = 0.0, 0
    for row in rows:
        ids = torch.tensor([[*row["input_ids"], *row["labels"]]])
        labels = torch.tensor([[-100] * len(row["input_ids"]) + list(row["labels"])])
        loss = trainer.model(input_ids=ids, labels=labels).loss
        total, count = total + float(loss) * len(row["labels"]), count + len(row["labels"])
    assert float(ours) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.slow
def test_a_model_without_an_encoder_answers_as_it_was_taught(data: Path, tmp_path: Path) -> None:
    folder = make_writer(tmp_path / "model", n_positions=256)
    trained(data, tmp_path / "run", model=str(folder), max_target_length=40, separator=" => ")
    model, tokenizer = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModelForCausalLM, AutoTokenizer))
    texts = ["a good film", "soup"]
    answers = predict.run(predict.Config(model=str(tmp_path / "run"), texts=texts, **CPU)).record["answers"]
    for text, answer in zip(texts, answers, strict=True):
        tokens = tokenizer(f"{text} => ", return_tensors="pt")
        written = model.generate(**tokens)[0, tokens["input_ids"].shape[1] :]
        assert answer["prediction"] == tokenizer.decode(written, skip_special_tokens=True).strip()
    figures = evaluate.run(evaluate.Config(model=str(tmp_path / "run"), **CPU)).record["metrics"]["validation"]
    assert figures == pytest.approx(record_of(tmp_path / "run")["metrics"]["validation"])


def test_each_of_several_right_answers_is_learned_and_the_best_is_judged(tmp_path: Path) -> None:
    rows = [{"text": f"word {i}", "target": ["one answer", "another"]} for i in range(8)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "validation.jsonl", [{"text": ["A.", "B."], "target": ["one answer", "x y z w"]}])
    config = finetune_seq2seq.Config(
        data=str(tmp_path), output=tmp_path / "run", **every_task.SMALL_T5, **STEPS, measure="summary"
    )
    trainer = finetune_seq2seq.build(config)
    assert len(trainer.train_dataset) == 16
    assert len(trainer.eval_dataset) == 1
    from nlpkit.generation.loop import Text
    from nlpkit.tasks.text_generation.task import as_array

    examples = trainer.splits["validation"].examples
    assert examples[0]["text"] == "A. B."
    ids = trainer.processing_class("x y z w", add_special_tokens=False)["input_ids"]
    figures = trainer.task.score([as_array([Text(ids, [0.0] * len(ids), [], True)])], examples)
    assert figures["rougeL"] == 100


def test_validation_is_watched_in_part_and_judged_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit.tasks.text2text_generation.task import Text2Text

    monkeypatch.setattr(Text2Text, "watched_rows", 3)
    for split, (count, seed) in {"train": (16, 1), "validation": (9, 2)}.items():
        write_jsonl(tmp_path / f"{split}.jsonl", every_task.turned(count, seed))
    record = trained(tmp_path, tmp_path / "run", **every_task.SMALL_T5, max_steps=1, max_target_length=8)
    assert record["judged"] == {"train": 3, "validation": 9}
    options: dict[str, Any] = {"data": str(tmp_path), "output": tmp_path / "other", **every_task.SMALL_T5, **STEPS}
    trainer = finetune_seq2seq.build(finetune_seq2seq.Config(**options))
    assert len(trainer.eval_dataset) == len(trainer.watched.examples) == 3


def test_a_file_for_each_language_and_rules_for_train_alone(tmp_path: Path) -> None:
    for split, seed, repeats in (("train", 1, 3), ("val", 2, 2)):
        for ending, column in (("en", "source"), ("de", "target")):
            lines = [row[column] for row in every_task.turned(4, seed) * repeats]
            (tmp_path / f"{split}.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    options: dict[str, Any] = {"target_columns": ["en"], "drop_repeats": True, **every_task.SMALL_T5, **STEPS}
    with reporting.listening() as heard:
        trainer = finetune_seq2seq.build(
            finetune_seq2seq.Config(data=str(tmp_path), output=tmp_path / "run", **options)
        )
    assert (len(trainer.train_dataset), len(trainer.eval_dataset)) == (4, 8)
    assert (trainer.task.text, trainer.task.targets) == ("de", ("en",))  # English is read, unless it is named
    assert "train: 8 of 12 rows are left out: they repeat an earlier one (--drop-repeats)" in "\n".join(heard.notes)


def test_rows_without_one_of_both_texts_are_named_and_left_out(tmp_path: Path) -> None:
    rows = [*every_task.turned(12, 1), {"source": "", "target": "x"}, {"source": "y", "target": None}]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "validation.jsonl", every_task.turned(4, 2))
    with reporting.listening() as heard:
        trainer = finetune_seq2seq.build(
            finetune_seq2seq.Config(data=str(tmp_path), output=tmp_path / "run", **every_task.SMALL_T5, **STEPS)
        )
    assert len(trainer.train_dataset) == 12
    told = "\n".join(heard.warnings)
    assert "train: 2 of 14 rows lack a side and are left out" in told
    assert "train.jsonl line 13: column 'source' is empty" in told
    assert "train.jsonl line 14: column 'target' is empty" in told


def test_targets_that_are_cut_are_counted(data: Path, tmp_path: Path) -> None:
    with reporting.listening() as heard:
        finetune_seq2seq.build(
            finetune_seq2seq.Config(
                data=str(data), output=tmp_path / "run", max_target_length=4, **every_task.SMALL_T5, **STEPS
            )
        )
    assert any("texts to be written are longer than 4 tokens and are cut there" in said for said in heard.warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "there is nothing to begin with"),
        ({"arch": "t5", "target_columns": ["nothing"]}, "there is no target column 'nothing'"),
        ({"arch": "t5", "text_column": "nothing"}, "there is no text column 'nothing'"),
        ({"arch": "t5", "separator": "x"}, "--separator: t5 has an encoder"),
        ({"arch": "t5", "target_language": "de_DE"}, "--target-language de_DE: the tokenizer has no such language"),
        ({"arch": "t5", "freeze": "encoder"}, "--freeze encoder without --model"),
        ({"arch": "marian", "max_positions": 8, "max_target_length": 600}, "--max-positions 8 is below"),
        ({"encoder": "minilm"}, "--encoder is for --decoder"),
        ({"encoder": "minilm", "decoder": "minilm", "size": "tiny"}, "--size: the shapes of --encoder and --decoder"),
        ({"model": "bart", "decoder": "minilm"}, "--decoder and --model: a run begins with one of them"),
        ({"model": "bart", "max_target_length": 65}, "--max-target-length 65: the model writes at most 64 tokens"),
        ({"model": "bart", "max_length": 65}, "--max-length 65: the model takes at most 64 tokens"),
        (
            {"model": "mbart50", "target_language": "de"},
            r"(?s)--target-language de: .*Did you mean 'de_DE'\? It has 52: af_ZA, ar_AR",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: dict[str, Any], message: str, data: Path, tmp_path: Path
) -> None:
    if family := options.get("model"):
        make = make_multilingual if family in MULTILINGUAL else make_family
        options = {**options, "model": str(make(tmp_path / "model", family))}
    with pytest.raises(UserError, match=message):
        trained(data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_the_run_of_every_operation_is_whole(run_of: RunOf) -> None:
    record = record_of(run_of("text-to-text"))
    assert record["details"]["validation"]["signatures"]["bleu"].startswith("nrefs:1|case:mixed")
    assert {"source", "lead-1"} & {base["name"] for base in record["baselines"]}
    drawn = list((run_of("text-to-text") / "alignments").glob("*.png"))
    assert 0 < len(drawn) <= 20 == len((run_of("text-to-text") / "errors.jsonl").read_text().splitlines())
    assert f"[alignments/](alignments) has {len(drawn)} pictures" in (run_of("text-to-text") / "README.md").read_text()
    generation = json.loads((run_of("text-to-text") / "generation_config.json").read_text())
    assert generation["max_new_tokens"] >= 8 and generation["eos_token_id"] is not None


def test_from_scratch_muon_takes_the_matrices_within_layers(data: Path, tmp_path: Path) -> None:
    config = finetune_seq2seq.Config(data=str(data), output=tmp_path / "run", **every_task.SMALL_T5, **STEPS)
    trainer = finetune_seq2seq.build(config)
    assert trainer.args.learning_rate == 1e-2  # 5e-3 x 128 / width, at most
    assert trainer.args.num_train_epochs == 30
    muon, adamw = trainer.create_optimizer().parts
    assert isinstance(muon, torch.optim.Muon)
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    taken = {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}
    assert "encoder.block.0.layer.0.SelfAttention.q.weight" in taken
    assert not any("shared" in name or "norm" in name or "bias" in name for name in taken)
    others = [parameter for group in adamw.param_groups for parameter in group["params"]]
    assert len(taken) + len(others) == len(names)
    with pytest.raises(UserError, match="--layer-decay with --optimizer muon"):
        trained(data, tmp_path / "other", layer_decay=0.9, **every_task.SMALL_T5)
    plain = {**every_task.SMALL_T5, "optimizer": "adamw", "hidden_size": 128}
    trainer = finetune_seq2seq.build(
        finetune_seq2seq.Config(data=str(data), output=tmp_path / "adamw", **plain, **STEPS)
    )
    assert trainer.args.learning_rate == 2e-3
    assert type(trainer.create_optimizer()) is torch.optim.AdamW


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_learning_rate_ends_with_the_time(
    schedule: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"data": str(data), "output": tmp_path / "run", **every_task.SMALL_T5, **STEPS}
    options |= {"schedule": schedule, "warmup": 0.1, "max_steps": 100_000, "max_minutes": 1.0}
    trainer = finetune_seq2seq.build(finetune_seq2seq.Config(**options))
    trainer.create_optimizer()
    (rate,) = set(trainer.create_scheduler(100_000).lr_lambdas)  # of all groups
    found = []
    for seconds in (3, 6, 33, 60):  # of which six are the warm-up
        monkeypatch.setattr(trainer.budget, "seconds", lambda seconds=seconds: seconds)
        found.append(rate(10))
    assert found == pytest.approx([0.5, 1.0, 0.5, 0.0], abs=1e-6)


def test_a_new_model_takes_the_longest_text_or_as_many_tokens_as_are_asked_for(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [*every_task.turned(20, 1), {"source": "a b " * 400, "target": "b a"}])
    write_jsonl(tmp_path / "validation.jsonl", every_task.turned(4, 2))
    shape = {**every_task.SMALL_T5, "arch": "bart"}
    taken = {}
    for asked in ({}, {"max_positions": 200}, {"max_length": 1_500}):
        options: dict[str, Any] = {"data": str(tmp_path), "output": tmp_path / "run", **shape, **STEPS, **asked}
        trainer = finetune_seq2seq.build(finetune_seq2seq.Config(**options))
        taken[next(iter(asked), "")] = trainer.model.config.max_position_embeddings
    assert 512 < taken[""] < 1_500
    assert (taken["max_positions"], taken["max_length"]) == (200, 1_500)


def asked_for(folder: Path, **asked: Any) -> Path:
    """A BART whose generation_config.json asks for something, as published ones do."""
    model = AutoModelForSeq2SeqLM.from_pretrained(make_family(folder, "bart"))
    model.generation_config.update(**asked)
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_what_a_folder_asks_for_is_settled_before_it_is_trained(data: Path, tmp_path: Path) -> None:
    asked = {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "min_length": 56, "no_repeat_ngram_size": 3}
    folder = asked_for(tmp_path / "model", **asked, forced_eos_token_id=1)
    with reporting.listening() as heard:
        trained(data, tmp_path / "kept", model=str(folder), max_target_length=12)
        trained(data, tmp_path / "greedy", model=str(folder), max_target_length=12, beams=1)
    told = next(note for note in heard.notes if note.startswith("how the model's folder has it write"))
    assert "56 tokens is dropped" in told and "no_repeat_ngram_size 3 stays" in told and "4 beams" in told
    kept, greedy = (json.loads((tmp_path / name / "generation_config.json").read_text()) for name in ("kept", "greedy"))
    assert (kept["num_beams"], kept["length_penalty"], kept["early_stopping"]) == (4, 2.0, True)
    assert greedy["num_beams"] == 1 and not greedy.get("early_stopping") and greedy.get("length_penalty", 1.0) == 1.0
    for found in (kept, greedy):
        assert not found.get("min_length") and found.get("forced_eos_token_id") is None
        assert found["no_repeat_ngram_size"] == 3


@pytest.mark.parametrize("beams", [1, 3])
def test_a_text_whose_end_is_forced_was_cut(beams: int, tmp_path: Path) -> None:
    folder = asked_for(tmp_path / "model", forced_eos_token_id=1)
    options: dict[str, Any] = {"model": str(folder), "texts": ["a good film"], "beams": beams, **CPU}
    (forced,) = predict.run(predict.Config(**options, max_new_tokens=6)).record["answers"]
    assert forced["prediction_tokens"] == 5 and not forced["prediction_ended"]


def test_a_long_text_keeps_what_stands_around_it_where_a_model_has_no_encoder() -> None:
    from nlpkit.tasks.text2text_generation import token_ids

    tokenizer = byte_tokenizer()
    ((short, long), lost) = token_ids.prompts(tokenizer, ["say: "] * 2, ["x", "one two " * 9], " =>", 20)
    assert tokenizer.decode(short) == "say: x =>"
    said = tokenizer.decode(long)
    assert said.startswith("say: one two") and said.endswith(" =>") and len(long) == 20
    assert lost == [0, len(tokenizer("say: " + "one two " * 9 + " =>")["input_ids"]) - 20]


def test_the_best_checkpoint_is_not_chosen_by_what_is_not_measured_in_passing(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--best-metric ter: no such metric"):
        trained(data, tmp_path / "run", best_metric="ter", measure="translation", **every_task.SMALL_T5)


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_gradients_are_those_of_a_run_without_checkpointing(family: str, data: Path, tmp_path: Path) -> None:
    folder, found = make_family(tmp_path / "model", family), []
    for checkpointing in (False, True):
        options: dict[str, Any] = {"data": str(data), "model": str(folder), "output": tmp_path / "run", **STEPS}
        trainer = finetune_seq2seq.build(finetune_seq2seq.Config(**options, gradient_checkpointing=checkpointing))
        batch = next(iter(trainer.get_train_dataloader()))
        trainer.model.train()
        if checkpointing:
            trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
        trainer.compute_loss(trainer.model, batch).backward()
        found.append(trainer.model)
    for parameter in found[1].parameters():
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())


def test_a_model_from_elsewhere_is_judged_by_what_its_rows_look_like(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "bart")
    rows = [{"article": "one two three four five six seven eight nine ten.", "highlights": "one."} for _ in range(4)]
    file = write_jsonl(tmp_path / "rows.jsonl", rows)
    options: dict[str, Any] = {"model": str(folder), "data": str(file), "max_new_tokens": 4, **CPU}
    report = evaluate.run(evaluate.Config(**options))
    assert list(report.tables[0].header)[2:] == ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    report = evaluate.run(evaluate.Config(**options, measure="translation"))
    assert "bleu" in report.tables[0].header


def test_a_row_with_several_answers_is_written_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit.training.trainer import NlpkitTrainer

    rows = [{"text": f"word {i}", "target": ["one answer", "another", "a third"]} for i in range(8)]
    for split in ("train", "validation"):
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    run, judged = NlpkitTrainer._run, []

    def counted(trainer: NlpkitTrainer, loader: Any, task: Any) -> Any:
        judged.append(len(loader.dataset))
        return run(trainer, loader, task)

    monkeypatch.setattr(NlpkitTrainer, "_run", counted)
    write_jsonl(tmp_path / "validation.jsonl", [{"text": f"other {i}", "target": ["b", "c"]} for i in range(5)])
    record = trained(tmp_path, tmp_path / "run", **every_task.SMALL_T5, measure="translation", max_target_length=8)
    assert record["judged"] == {"train": 8, "validation": 5}
    assert sorted(judged)[-1] == 8


def test_typed_texts_have_no_prefix_of_their_row_which_is_said(tmp_path: Path) -> None:
    rows = [{**row, "task": "turn: "} for row in every_task.turned(16, 1)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "validation.jsonl", [{**row, "task": "turn: "} for row in every_task.turned(4, 2)])
    trained(tmp_path, tmp_path / "run", **every_task.SMALL_T5, prefix_column="task", max_target_length=8)
    with reporting.listening() as heard:
        predict.run(predict.Config(model=str(tmp_path / "run"), texts=["a good film"], **CPU))
    assert any("texts that are typed have no column 'task'" in note for note in heard.notes)
