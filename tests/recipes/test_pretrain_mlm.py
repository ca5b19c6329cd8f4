"""`nlpkit pretrain-mlm` from options to run folder: what it makes, measures, says and refuses."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import forked
import pretended
import pytest
import torch
import torch.nn.functional as F
from conftest import Drawing, make_model, rows, write_csv, write_jsonl
from hearing import Heard
from pretraining_runs import (
    ARCHITECTURES,
    configured,
    documents,
    lines,
    logged,
    pretrain,
    record,
    same_weights,
    weights,
    wordpiece,
    write_corpus,
)

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.recipes import finetune_cls, pretrain_mlm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tokenizer")
    wordpiece().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """About 250 lines."""
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "reviews.txt", documents(50)))


@pytest.fixture(scope="module")
def scratch(tokenizer: str, corpus: str) -> dict[str, Any]:
    """Options of a small run from scratch."""
    return {"data": corpus, "tokenizer": tokenizer, "max_steps": 3, "eval_steps": 3}


# --- from scratch, for every architecture, and opened again by others ---

KINDS: dict[str, dict[str, Any]] = {arch: {"arch": arch} for arch in ARCHITECTURES}
KINDS["rtd"] = {"arch": "electra", "objective": "rtd", "hidden_size": 64, "heads": 4}
KINDS["nsp"] = {"arch": "bert", "objective": "mlm+nsp"}
KINDS["sop"] = {"arch": "albert", "objective": "mlm+sop"}

REOPEN = """
import json, sys
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

out = {}
for name, folder in json.loads(sys.argv[1]).items():
    found = out[name] = {"config": AutoConfig.from_pretrained(folder).model_type}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # longer than the model takes: the tokenizer knows where to cut
    inputs = tokenizer(["the film was great " * 50, "a bike"], truncation=True, padding=True, return_tensors="pt")
    found["cut"] = inputs["input_ids"].shape[1]
    kinds = {"encoder": (AutoModel, folder), "mlm": (AutoModelForMaskedLM, folder)}
    if name == "rtd":
        kinds = {"encoder": (AutoModel, folder), "pretraining": (AutoModelForPreTraining, folder)}
        kinds["mlm"] = (AutoModelForMaskedLM, folder + "/generator")
        AutoTokenizer.from_pretrained(folder + "/generator")
    if name in ("nsp", "sop"):
        kinds["pretraining"] = (AutoModelForPreTraining, folder)
    for kind, (auto, where) in kinds.items():
        model, info = auto.from_pretrained(where, output_loading_info=True)
        with torch.no_grad():
            shape = list(model(**inputs)[0].shape)
        found[kind] = [type(model).__name__, sorted(info["missing_keys"]), shape]
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def made(scratch: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: pretrain(folder / name, **scratch, **options) for name, options in KINDS.items()}


@pytest.fixture(scope="module")
def reopened(made: dict[str, Path]) -> dict[str, Any]:
    """All of them, opened in a process that knows nothing of nlpkit."""
    folders = json.dumps({name: str(folder) for name, folder in made.items()})
    done = forked.run([sys.executable, "-c", REOPEN, folders])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_is_trained_and_opens_elsewhere(arch: str, made: Any, reopened: Any) -> None:
    found = record(made[arch])
    assert found["status"] == "complete"
    assert found["steps"] == 3
    names = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "albert": "Albert"}
    name = {**names, "electra": "Electra", "modernbert": "ModernBert"}[arch]
    there = reopened[arch]
    assert there["config"] == arch
    assert there["cut"] == 16
    assert there["mlm"] == [f"{name}ForMaskedLM", [], [2, 16, len(wordpiece())]]
    # a pooler is no part of masked language modelling
    assert there["encoder"][0] == f"{name}Model"
    assert [key for key in there["encoder"][1] if "pooler" not in key] == []
    assert there["encoder"][2] == [2, 16, 32]


def test_both_networks_of_replaced_tokens_open_elsewhere(made: Any, reopened: Any) -> None:
    there = reopened["rtd"]
    assert there["encoder"] == ["ElectraModel", [], [2, 16, 64]]
    assert there["pretraining"] == ["ElectraForPreTraining", [], [2, 16]]
    assert there["mlm"] == ["ElectraForMaskedLM", [], [2, 16, len(wordpiece())]]
    name = "electra.embeddings.word_embeddings.weight"
    assert torch.equal(weights(made["rtd"])[name], weights(made["rtd"] / "generator")[name])


@pytest.mark.parametrize(("name", "kind"), [("nsp", "Bert"), ("sop", "Albert")])
def test_models_of_sentence_pairs_keep_both_heads(name: str, kind: str, made: Any, reopened: Any) -> None:
    assert reopened[name]["pretraining"] == [f"{kind}ForPreTraining", [], [2, 16, len(wordpiece())]]
    assert reopened[name]["mlm"][:2] == [f"{kind}ForMaskedLM", []]
    assert reopened[name]["encoder"][1] == []  # the pooler was trained
    assert 0 <= record(made[name])["metrics"]["validation"]["pair_accuracy"] <= 1


@pytest.mark.parametrize("name", ["bert", "rtd", "nsp"])
def test_figures_of_every_objective_have_intervals(name: str, made: Any) -> None:
    found = record(made[name])
    metrics, between = found["metrics"]["validation"], found["metric_intervals"]["validation"]
    assert {"loss", "perplexity"} <= between.keys() <= metrics.keys()
    assert all(between[metric][0] < metrics[metric] < between[metric][1] for metric in ("loss", "perplexity"))
    assert found["interval_units"] == {"validation": {"rows": found["judged"]["validation"]}}


@pytest.mark.parametrize("name", ["bert", "rtd"])
def test_fine_tuning_goes_on_from_the_run(name: str, made: Any, tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", rows(32))
    write_csv(tmp_path / "validation.csv", rows(16, seed=4))
    report = finetune_cls.run(
        finetune_cls.Config(
            data=str(tmp_path), model=str(made[name]), output=tmp_path / "run", epochs=1, device="cpu", threads=1
        )
    )
    assert report.record["parents"]["model"]["given"] == str(made[name])
    start, end = weights(made[name]), weights(tmp_path / "run")
    inside = {key for key in end if "embeddings.word" in key or ".layer.0.attention" in key}
    assert inside <= start.keys()
    for key in inside:  # trained a little further, not begun anew
        assert float((end[key] - start[key]).abs().max()) < 0.02


def test_predict_fills_the_masks_of_a_run(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With the mask token of any model; ELECTRA's generator does it, its discriminator has no head for it."""
    arguments = ["the <mask> was great", "--device", "cpu", "--threads", "1", "--json"]
    for folder in (made["roberta"], made["nsp"], made["rtd"] / "generator"):
        capsys.readouterr()
        assert main(["predict", str(folder), *arguments]) == 0
        (answer,) = json.loads(capsys.readouterr().out)["answers"]
        assert len(answer["prediction_candidates"][0]) == 5
    assert main(["predict", str(made["rtd"]), *arguments]) == 2
    assert "ElectraForPreTraining" in capsys.readouterr().err
    assert record(made["rtd"])["task"] is None


# --- the run folder ---


@pytest.fixture(scope="module")
def reference(scratch: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, drawing: Drawing) -> Path:
    changes = {"max_steps": 20, "eval_steps": None, "logging_steps": 5, "validation_share": 0.2}
    with drawing():
        return pretrain(tmp_path_factory.mktemp("runs") / "reference", **{**scratch, **changes})


def test_files_of_a_run(reference: Path) -> None:
    assert sorted(path.name for path in reference.iterdir()) == [
        "README.md", "all_results.json", "config.json", "eval_results.json", "metrics.jsonl", "model.safetensors",
        "nlpkit.json", "plots", "tokenizer.json", "tokenizer_config.json", "trainer_state.json",
    ]  # fmt: skip
    for name in ("curves", "perplexity", "learning_rate"):
        assert (reference / "plots" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    card = (reference / "README.md").read_text()
    assert "nlpkit pretrain-mlm --config nlpkit.json" in card
    assert "library_name: transformers" in card
    assert "perplexity" in card
    metrics = record(reference)["metrics"]["validation"]
    results = json.loads((reference / "all_results.json").read_text())
    assert {name: results[f"eval_{name}"] for name in metrics} == metrics
    assert json.loads((reference / "eval_results.json").read_text()).items() <= results.items()


def test_record_of_a_run(reference: Path, corpus: str, tokenizer: str) -> None:
    found = record(reference)
    assert found["command"] == "pretrain-mlm"
    assert found["status"] == "complete"
    assert found["steps"] == 20
    assert found["parents"]["data"]["files"][0]["path"] == corpus
    assert len(found["parents"]["data"]["files"][0]["sha256"]) == 64
    assert found["parents"]["tokenizer"] == tokenizer
    assert found["parents"]["model"]["given"] is None
    assert found["config"]["learning_rate"] == 5e-4
    assert found["rows"]["train"] > found["rows"]["validation"] > 0
    assert found["judged"] == {"validation": found["rows"]["validation"]}
    assert found["parameters"] == sum(value.numel() for value in weights(reference).values())
    assert len(found["samples"]) == 3
    assert {"seed", "device", "versions", "wall_seconds", "train_seconds", "task"} <= found.keys()


def test_what_is_logged_while_it_runs(reference: Path) -> None:
    training = [line for line in lines(reference) if "loss" in line]
    assert [line["step"] for line in training] == [5, 10, 15, 20]
    for line in training:
        assert {"loss", "perplexity", "accuracy", "tokens_per_second", "learning_rate", "grad_norm"} <= line.keys()
        # of the same steps; the perplexity weighs their tokens, of which the last step of an epoch has fewer
        assert line["perplexity"] == pytest.approx(math.exp(line["loss"]), rel=0.02)
        assert 0 <= line["accuracy"] <= 1
    judged = [line for line in lines(reference) if "eval_loss" in line]
    assert [line["step"] for line in judged] == list(range(2, 21, 2))  # ten times
    assert all(line["eval_perplexity"] == pytest.approx(math.exp(line["eval_loss"])) for line in judged)


@pytest.mark.slow
def test_the_best_checkpoint_is_what_is_saved(reference: Path) -> None:
    losses = logged(reference, "eval_loss")
    found = record(reference)
    assert found["best_step"] == min(losses, key=lambda step: losses[step])
    assert found["metrics"]["validation"]["loss"] == pytest.approx(min(losses.values()), abs=1e-6)
    assert found["main_metric"] == "loss"


@pytest.mark.slow
def test_the_record_repeats_the_run(reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "pretrain-mlm",
        "--config",
        str(reference / "nlpkit.json"),
        "--output",
        str(tmp_path / "again"),
        "--json",
    ]
    assert main(arguments) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)  # and nothing else
    assert document["output"] == str(tmp_path / "again")
    assert document["metrics"] == record(reference)["metrics"]
    assert "step 20: validation loss" in said.err
    assert same_weights(tmp_path / "again", reference)
    assert [line["loss"] for line in lines(tmp_path / "again") if "loss" in line] == [
        line["loss"] for line in lines(reference) if "loss" in line
    ]


def test_a_dry_run_writes_nothing(
    scratch: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    monkeypatch.chdir(tmp_path)
    report = pretrain_mlm.run(configured(tmp_path / "run", **scratch, dry_run=True))
    assert report.record["dry_run"] is True
    assert list(tmp_path.iterdir()) == []
    assert "blocks" in heard.plans[-1]["data"]
    assert heard.plans[-1]["steps"] == "3 of 8 rows"
    assert "15% of the tokens (80 % masked, 10 % random, 10 % as they are)" in heard.plans[-1]["objective"]


# --- what is said at evaluations ---


def test_samples_at_each_evaluation(scratch: dict[str, Any], tmp_path: Path, heard: Heard) -> None:
    run = pretrain(tmp_path / "run", **{**scratch, "eval_steps": 1})
    heads = [i for i, note in enumerate(heard.notes) if note.startswith("step ")]
    assert len(heads) == 3
    for step, at in enumerate(heads, start=1):
        metrics = next(line for line in lines(run) if line["step"] == step and "eval_loss" in line)
        assert heard.notes[at] == (
            f"step {step}: validation loss {metrics['eval_loss']:.4f}, perplexity {metrics['eval_perplexity']:,.1f}, "
            f"masked accuracy {metrics['eval_accuracy']:.3f}"
        )
        for note in heard.notes[at + 1 : at + 4]:
            text, _, _ = note.partition("  ->  ")  # behind it the model may propose [MASK] itself
            assert text.count("[MASK]") == 1
            assert "(was: " in note
    for sample in record(run)["samples"]:
        assert sample["answer"].isalpha()
        assert len(sample["candidates"]) == 3


def test_probes(scratch: dict[str, Any], tmp_path: Path, heard: Heard) -> None:
    run = pretrain(tmp_path / "run", **scratch, probe=["the <mask> was great", "my [MASK] is late"])
    texts = [sample["text"] for sample in record(run)["samples"]]
    assert texts[0] == "the [MASK] was great"
    assert texts[1].startswith("my [MASK]")
    assert all(sample["answer"] is None for sample in record(run)["samples"])
    assert any("the [MASK] was great  ->  " in note for note in heard.notes)


# --- metrics ---


def full_head_metrics(config: pretrain_mlm.Config, run: Path) -> dict[str, float]:
    """Validation metrics of a saved model by the full head, on the rows and masks of the run."""
    import transformers

    experiment = pretrain_mlm.build(config)
    pairs = config.objective in pretrain_mlm.PAIR_KIND
    auto = transformers.AutoModelForPreTraining if pairs else transformers.AutoModelForMaskedLM
    model = auto.from_pretrained(run).eval()
    loss = correct = count = together = pair_count = 0.0
    for i in range(len(experiment.validation)):
        batch = experiment.trainer.data_collator([experiment.validation[i]])
        positions, labels = batch.pop("positions")[0], batch.pop("labels")[0]
        pair_labels = batch.pop("pair_labels", None)
        with torch.no_grad():
            output = model(**batch)
        logits = output["prediction_logits" if pairs else "logits"][0, positions]
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
        correct += float((logits.argmax(-1) == labels).sum())
        count += float((labels != -100).sum())
        if pair_labels is not None:
            found = output["seq_relationship_logits" if "seq_relationship_logits" in output else "sop_logits"]
            together += float(found.argmax(-1) == pair_labels)
            pair_count += 1
    out = {"loss": loss / count, "perplexity": math.exp(loss / count), "accuracy": correct / count}
    return {**out, "pair_accuracy": together / pair_count} if pairs else out


@pytest.mark.parametrize(
    "changes",
    [{}, {"line_by_line": True}, {"objective": "mlm+nsp"}, {"arch": "albert", "objective": "mlm+sop"}],
    ids=["packed", "lines", "nsp", "sop"],
)
def test_validation_metrics_by_hand(changes: dict[str, Any], scratch: dict[str, Any], tmp_path: Path) -> None:
    options = {**scratch, **changes, "validation_share": 0.3, "learning_rate": 5e-3, "max_steps": 10, "eval_steps": 10}
    run = pretrain(tmp_path / "run", **options)
    expected = full_head_metrics(configured(tmp_path / "other", **options), run)
    assert record(run)["metrics"]["validation"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("line_by_line", [False, True])
def test_the_rate_counts_tokens_that_are_no_padding(
    line_by_line: bool, scratch: dict[str, Any], tmp_path: Path
) -> None:
    trainer = pretrain_mlm.build(
        configured(tmp_path / "run", **scratch, line_by_line=line_by_line, batching="random")
    ).trainer
    batches = [batch for _, batch in zip(range(4), trainer.get_train_dataloader(), strict=False)]
    expected = sum(int((batch["input_ids"] != 0).sum()) for batch in batches)
    assert (sum(batch["input_ids"].numel() for batch in batches) > expected) == line_by_line
    for batch in batches:
        trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch), num_items_in_batch=None)
    assert trainer.tokens == expected


def test_an_evaluation_waits_for_its_sums_once(scratch: dict[str, Any], tmp_path: Path) -> None:
    trainer = pretrain_mlm.build(configured(tmp_path / "run", **scratch)).trainer
    batches = list(trainer.get_eval_dataloader())
    own = []
    for count in (1, 3):
        with pretended.waits() as found:
            trainer.evaluation_loop((batches * 3)[:count], "validation")
        own.append([wait for wait in found if wait.place.startswith("nlpkit/pretraining/trainer.py")])
    assert [wait.what for wait in own[0]] == [wait.what for wait in own[1]]
    assert own[0], "the sums come to the CPU in the end"


@pytest.mark.slow
@pytest.mark.parametrize("line_by_line", [False, True])
def test_accumulated_batches_train_as_one_large_batch(
    line_by_line: bool, scratch: dict[str, Any], tmp_path: Path
) -> None:
    """Also where the rows of a step are of unequal length."""
    same = {
        **scratch,
        "line_by_line": line_by_line,
        "max_steps": 6,
        "eval_steps": 6,
        "logging_steps": 1,
        "dropout": 0.0,
    }
    same |= {"batching": "random", "learning_rate": 0.5, "trainer": {"optim": "sgd"}}  # Adam would blow up rounding
    large = pretrain(tmp_path / "large", **same, batch_size=16)
    small = pretrain(tmp_path / "small", **same, batch_size=4, gradient_accumulation_steps=4)
    losses = logged(large, "loss")
    assert len(losses) == 6
    assert losses[6] < losses[1]
    assert list(logged(small, "loss").values()) == pytest.approx(list(losses.values()), rel=1e-5)
    for name in ("accuracy", "perplexity"):
        assert list(logged(small, name).values()) == pytest.approx(list(logged(large, name).values()), rel=1e-3)
    for name, value in weights(large).items():
        torch.testing.assert_close(weights(small)[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("masking", ["dynamic", "static"])
def test_each_epoch_sees_every_row_once_with_masks_of_its_own(
    masking: str, scratch: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**scratch, "max_steps": None, "eval_steps": 1000, "epochs": 3, "max_length": 64, "masking": masking}
    experiment = pretrain_mlm.build(configured(tmp_path / "run", **options))
    trainer, seen = experiment.trainer, []
    original = trainer.compute_loss

    def compute_loss(model: Any, inputs: Any, **keywords: Any) -> Any:
        masks = inputs["positions"].masked_fill(inputs["labels"] == -100, -1).sort(dim=1).values.tolist()
        shown = inputs["input_ids"].clone()
        used = inputs["labels"] != -100
        row = torch.arange(len(shown))[:, None].expand_as(used)
        shown[row[used], inputs["positions"][used]] = inputs["labels"][used]
        seen.extend((tuple(ids), tuple(places)) for ids, places in zip(shown.tolist(), masks, strict=True))
        return original(model, inputs, **keywords)

    monkeypatch.setattr(trainer, "compute_loss", compute_loss)
    trainer.train()
    count = len(experiment.train)
    rows = sorted(tuple(experiment.train[i].ids.tolist()) for i in range(count))
    epochs = [seen[i * count : (i + 1) * count] for i in range(3)]
    assert len(seen) == 3 * count
    for epoch in epochs:
        assert sorted(ids for ids, _ in epoch) == rows
    assert [ids for ids, _ in epochs[0]] != [ids for ids, _ in epochs[1]]
    masks = [{places for _, places in epoch} for epoch in epochs]
    changed = len(set().union(*masks)) > 2 * count
    assert changed == (masking == "dynamic")
    assert masking == "dynamic" or masks[0] == masks[1] == masks[2]


# --- learning ---


@pytest.mark.slow
def test_a_model_learns_what_can_be_known(tokenizer: str, tmp_path: Path) -> None:
    """Each document repeats one word: a masked one is told by the others, those of its own document only."""
    words = ["train", "film", "shop", "soup", "bike", "clerk", "room", "warm", "late", "kind", "cold", "rude"]
    corpus = write_corpus(tmp_path / "text.txt", [[" ".join([words[i % 12]] * (4 + i % 5))] for i in range(600)])
    options: dict[str, Any] = {"data": str(corpus), "tokenizer": tokenizer, "mlm_probability": 0.3, "dropout": 0.0}
    options |= {"batch_size": 32, "max_steps": 100, "eval_steps": 50, "learning_rate": 1e-2}
    run = pretrain(tmp_path / "run", **options, probe=["soup soup <mask> soup soup"])
    metrics = record(run)["metrics"]["validation"]
    assert metrics["accuracy"] > 0.9
    assert metrics["perplexity"] < 1.5
    assert record(run)["samples"][0]["candidates"][0][0] == "soup"


# --- going on with a model ---


@pytest.mark.slow
def test_going_on_with_a_model_without_a_head(corpus: str, tiny_model: Path, tmp_path: Path, heard: Heard) -> None:
    run = pretrain(
        tmp_path / "run",
        data=corpus,
        model=str(tiny_model),
        max_steps=60,
        batch_size=16,
        learning_rate=5e-3,
        max_length=32,
    )
    assert "new, untrained: cls" in heard.plans[-1]["model"]
    found = record(run)
    assert found["parents"]["model"]["given"] == str(tiny_model)
    losses = logged(run, "eval_loss")
    assert losses[60] < losses[6] - 0.3
    # the encoder went on from what it was
    name = "embeddings.position_embeddings.weight"
    start, end = weights(tiny_model)[name], weights(run)[f"bert.{name}"]
    assert end.shape == start.shape
    moved = (end - start).abs().amax(dim=1)
    assert moved[:32].min() > 10 * moved[32:].max()  # weight decay is all that happens beyond --max-length


def test_going_on_learns_more_slowly_unless_told_otherwise(corpus: str, tiny_model: Path, tmp_path: Path) -> None:
    given = {"data": corpus, "model": str(tiny_model), "max_steps": 1}
    assert pretrain_mlm.build(configured(tmp_path / "a", **given)).config.learning_rate == 5e-5
    assert pretrain_mlm.build(configured(tmp_path / "a", **given, learning_rate=1e-3)).config.learning_rate == 1e-3


def test_a_run_can_be_gone_on_with(made: dict[str, Path], corpus: str, tmp_path: Path, heard: Heard) -> None:
    pretrain_mlm.build(configured(tmp_path / "run", data=corpus, model=str(made["roberta"]), max_steps=1))
    assert "untrained" not in heard.plans[-1]["model"]


def test_an_architecture_that_cannot_keep_documents_apart(corpus: str, tmp_path: Path, heard: Heard) -> None:
    from transformers import DebertaV2Config, DebertaV2Model

    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    made = DebertaV2Model(DebertaV2Config(**shape, vocab_size=81, max_position_embeddings=40))
    made.save_pretrained(tmp_path / "deberta")
    wordpiece().save_pretrained(tmp_path / "deberta")
    run = pretrain(tmp_path / "run", data=corpus, model=str(tmp_path / "deberta"), max_steps=2, eval_steps=2)
    assert record(run)["status"] == "complete"
    assert record(run)["attention"] is None
    assert any("deberta-v2: its attention takes no mask of documents" in note for note in heard.notes)


@pytest.mark.parametrize("isolate", [True, False])
def test_documents_of_a_block_are_kept_apart_unless_told_otherwise(
    isolate: bool, scratch: dict[str, Any], tmp_path: Path, heard: Heard
) -> None:
    experiment = pretrain_mlm.build(configured(tmp_path / "run", **scratch, isolate_documents=isolate))
    batch = experiment.trainer.data_collator([experiment.train[i] for i in range(20)])
    given = experiment.trainer._prepare_inputs(batch)
    assert "documents" not in given  # which a model would not read
    assert ("attention_mask" in given) == isolate
    assert heard.plans[-1].get("attention") == ("within documents, by a mask" if isolate else None)
    # and the MFU counts no attention between them
    trainer, ids = experiment.trainer, given["input_ids"]
    whole = trainer.flops(ids.numel(), ids.shape[1], given["labels"].numel())
    trainer.compute_loss(trainer.model, given)
    assert (trainer.last_flops < whole) == isolate


@pytest.mark.parametrize(("begun", "said_of_it"), [("flash_attn", " (the run began with flash_attn)"), (None, "")])
def test_what_a_run_began_with_is_read_from_its_record(
    begun: str | None, said_of_it: str, scratch: dict[str, Any], tmp_path: Path, heard: Heard
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    begun_with = {} if begun is None else {"attention": begun}
    (run / "nlpkit.json").write_text(json.dumps({"command": "pretrain-mlm", "config": {}, **begun_with}))
    pretrain_mlm.build(configured(run, **scratch, resume=True))
    assert heard.plans[-1]["attention"] == f"within documents, by a mask{said_of_it}"


# --- kinds of data ---


def test_validation_file(scratch: dict[str, Any], tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "held.txt", documents(8, seed=5))
    experiment = pretrain_mlm.build(configured(tmp_path / "run", **scratch, validation_file=str(path), max_length=8))
    inside = [t for row in sorted(experiment.validation, key=lambda row: row.number) for t in row.ids[1:-1].tolist()]
    tokens = [
        t for d in documents(8, seed=5) for t in [*wordpiece()(" ".join(d), add_special_tokens=False)["input_ids"], 3]
    ]
    assert inside == tokens[: len(inside)]
    # and nothing is held out of the corpus
    whole = sum(len(wordpiece()(" ".join(d), add_special_tokens=False)["input_ids"]) + 1 for d in documents(50))
    assert len(experiment.train) == whole // 6
    fewer = pretrain_mlm.build(
        configured(tmp_path / "run", **scratch, validation_file=str(path), max_length=8, max_eval_samples=5)
    )
    assert len(fewer.validation) == 5


def test_rows_of_a_table_are_documents(scratch: dict[str, Any], tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "table.jsonl", [{"id": i, "text": row["text"]} for i, row in enumerate(rows(60))])
    experiment = pretrain_mlm.build(
        configured(tmp_path / "run", **{**scratch, "data": str(path)}, max_length=64, validation_share=0.3)
    )
    row = experiment.train[0]
    assert row.documents is not None
    assert row.documents.max() == (row.ids[1:-2] == 3).sum()


def test_translations_from_a_table(scratch: dict[str, Any], tmp_path: Path) -> None:
    made = [{"en": row["text"], "de": row["text"][::-1]} for row in rows(60)]
    made += [{"en": "only one side", "de": ""}]
    path = write_csv(tmp_path / "parallel.csv", made)
    options = {**scratch, "data": str(path), "objective": "tlm", "max_length": 32, "batch_size": 4}
    options |= {"text_column": "en", "text_pair_column": "de", "validation_share": 0.2}
    run = pretrain(tmp_path / "run", **options)
    assert record(run)["rows"] == {"train": 48, "validation": 12}
    experiment = pretrain_mlm.build(configured(tmp_path / "other", **options))
    batch = experiment.trainer.data_collator([experiment.train[0]])
    assert set(batch["token_type_ids"][0].tolist()) == {0, 1}
    error = refusal(configured(tmp_path / "other", **{**options, "text_pair_column": "fr"}))
    assert error == f"{path}: there is no translation column 'fr'; the columns are en, de"
    error = refusal(configured(tmp_path / "other", **options, data_split="test"))
    assert error == f"{path}: there is no split 'test'; there is train"


def test_what_is_trained_on_is_not_validated_on(scratch: dict[str, Any], tmp_path: Path, heard: Heard) -> None:
    lines = [row["text"] for row in rows(60)]
    path = tmp_path / "twice.txt"
    path.write_text("\n".join([*lines[:21], *lines]))  # a third of the lines stand there twice
    options = {**scratch, "data": str(path), "line_by_line": True, "validation_share": 0.25}
    experiment = pretrain_mlm.build(configured(tmp_path / "run", **options))
    trained = {tuple(experiment.train[i].ids.tolist()) for i in range(len(experiment.train))}
    validated = [tuple(row.ids.tolist()) for row in experiment.validation]
    assert validated and not trained.intersection(validated)
    left_out = 20 - len(validated)
    message = f"validation: {left_out} of 20 lines held out also stand in train and are not validated on"
    assert left_out > 0 and message in heard.notes

    made = [{"en": text, "de": text[::-1]} for text in [*lines[:21], *lines]]
    write_csv(tmp_path / "parallel.csv", [*made, {"en": "only one side", "de": ""}])
    options = {**scratch, "data": str(tmp_path / "parallel.csv"), "objective": "tlm", "validation_share": 0.25}
    experiment = pretrain_mlm.build(
        configured(tmp_path / "other", **options, text_column="en", text_pair_column="de", max_length=32)
    )
    assert len(experiment.validation) == 20 - left_out
    assert message.replace("lines", "rows") in heard.notes
    missing = "1 of 82 rows lack the text or its translation and are left out"
    assert f"{tmp_path / 'parallel.csv'}: {missing}" in heard.warnings


def test_pairs_of_a_corpus_too_small_for_them(scratch: dict[str, Any], tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "small.txt", documents(2, longest=3))
    error = refusal(configured(tmp_path / "run", **{**scratch, "data": str(path)}, objective="mlm+nsp"))
    assert "passages" in error


# --- what is refused: one message, exit code 2, nothing written ---


def refusal(config: pretrain_mlm.Config) -> str:
    with pytest.raises(UserError) as error:
        pretrain_mlm.run(config)
    assert "\n" not in error.value.message
    return error.value.message


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no tokenizer": ({"tokenizer": None}, "a model from scratch needs a --tokenizer"),
    "shape of a model": ({"model": "TINY", "layers": 3}, "--layers: the shape of --model TINY is fixed"),
    "architecture of a model": ({"model": "TINY", "arch": "roberta"}, "--arch: the shape of --model TINY is fixed"),
    "too long": ({"model": "TINY", "max_length": 128}, "--max-length 128: TINY takes at most 64 tokens"),
    "rtd": ({"objective": "rtd"}, "--objective rtd trains ELECTRA's two networks from scratch"),
    "rtd of a model": ({"model": "TINY", "objective": "rtd"}, "--objective rtd trains ELECTRA's two networks"),
    "no pair head": (
        {"arch": "roberta", "objective": "mlm+nsp"},
        "--objective mlm+nsp: roberta has no sentence-pair head",
    ),
    "pairs by line": (
        {"objective": "mlm+sop", "line_by_line": True},
        "--line-by-line: the rows of --objective mlm+sop",
    ),
    "tlm": ({"objective": "tlm"}, "--objective tlm reads a table of parallel texts"),
    "pair column": ({"text_pair_column": "b"}, "--text-pair-column is for --objective tlm, not for mlm"),
    "generator": ({"generator_size": 0.5}, "--generator-size is for --objective rtd, not for mlm"),
    "revision of no model": ({"model_revision": "v1"}, "--model-revision is for --model"),
    "pickle of no model": ({"allow_pickle": True}, "--allow-pickle is for --model"),
    "two validations": (
        {"validation_file": "SHORT", "validation_share": 0.2},
        "--validation-share: --validation-file is all that is validated on",
    ),
    "documents of lines": (
        {"line_by_line": True, "isolate_documents": False},
        "--no-isolate-documents: the rows of --line-by-line are of one document each",
    ),
    "documents of pairs": (
        {"objective": "mlm+nsp", "isolate_documents": False},
        "--no-isolate-documents: the rows of --objective mlm+nsp are pairs",
    ),
    "standard input twice": ({"data": "-", "validation_file": "-"}, "standard input can be read only once"),
    "endless": ({"streaming": True, "max_steps": None}, "--streaming: how long the corpus is cannot be known"),
    "stream of standard input": ({"streaming": True, "data": "-"}, "--streaming: standard input can be read only once"),
    "workers": (
        {"streaming": True, "trainer": "dataloader_num_workers=2"},
        "--trainer dataloader_num_workers: a stream has one reader",
    ),
    "split": ({"mask_split": "80/10/20"}, "give three whole numbers that sum to 100"),
    "probe": ({"probe": "no mask here"}, "--probe: 'no mask here' has no <mask>"),
    "probability": ({"mlm_probability": 1.5}, "--mlm-probability"),
    "checkpointing": (
        {"arch": "albert", "gradient_checkpointing": True},
        "--gradient-checkpointing: albert cannot recompute its activations",
    ),
    "heads": ({"hidden_size": 30, "heads": 4}, "--hidden-size 30 is not a multiple of --heads 4"),
    "missing data": ({"data": "no/such/file.txt"}, "no/such/file.txt"),
    "no data": ({"data": None}, "no data was given"),
    "tokens of the tokenizer": ({"tokenizer": "LARGER", "model": "TINY"}, "the tokenizer has 90 tokens, the model 81"),
    "no mask token": ({"tokenizer": "MASKLESS"}, "has no mask token"),
    "too few tokens": ({"data": "SHORT"}, "too few for one row of 16"),
    "nothing to validate on": ({"validation_file": "SHORT"}, "too little text for validation"),
    "empty": ({"data": "EMPTY"}, "there is no text in it"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused(
    case: str, scratch: dict[str, Any], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from conftest import make_tokenizer
    from tokenizers.models import WordPiece

    changes, message = REFUSED[case]
    places = {
        "TINY": tiny_model,
        **{name: tmp_path / name.lower() for name in ("LARGER", "MASKLESS", "SHORT", "EMPTY")},
    }
    larger, maskless = make_tokenizer(), make_tokenizer()
    vocabulary = larger.get_vocab()
    vocabulary["x"], vocabulary["y"] = vocabulary["y"], vocabulary["x"]  # so that it is no extension of the model's own
    larger.backend_tokenizer.model = WordPiece(vocabulary, unk_token="[UNK]")
    larger.add_tokens([f"new{i}" for i in range(9)])
    larger.save_pretrained(places["LARGER"])
    maskless.mask_token = None
    maskless.save_pretrained(places["MASKLESS"])
    (tmp_path / "short").write_text("the film was\n")
    (tmp_path / "empty").write_text("\n\n")
    options = {**scratch, "output": tmp_path / "run", "max_length": 16, "device": "cpu", **changes}
    if "TINY" in changes.values():
        options["tokenizer"] = changes.get("tokenizer")
    arguments = ["pretrain-mlm"]
    for name, value in options.items():
        flag = f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
        if isinstance(value, bool):
            arguments.append(flag)
        elif value is not None:
            arguments += [flag, str(places.get(str(value), value))]
    assert main(arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nlpkit: ")]
    assert len(errors) == 1
    assert message.replace("TINY", str(tiny_model)) in errors[0]
    assert not (tmp_path / "run").exists()


def test_help_lists_its_options(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["pretrain-mlm", "--help-all"]) == 0
    shown = capsys.readouterr().out
    for flag in ("--objective", "--mlm-probability", "--arch", "--size", "--max-minutes", "--streaming", "--probe"):
        assert flag in shown


def test_a_pooler_is_learned_by_pairs_only(tmp_path: Path, corpus: str) -> None:
    """And a checkpoint with both heads goes on with both."""
    model = make_model(tmp_path / "model")
    run = pretrain(
        tmp_path / "run", data=corpus, model=str(model), objective="mlm+nsp", max_steps=2, eval_steps=2, warmup=0
    )
    start = weights(model)["pooler.dense.weight"]
    assert not torch.equal(weights(run)["bert.pooler.dense.weight"], start)
