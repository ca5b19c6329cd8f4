"""`nlpkit prune` on every task: what is removed, what stays, what opens the result, and that a killed run goes on."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import every_task
import forked
import pytest
import torch
from conftest import Drawing, RunOf, write_jsonl
from safetensors.torch import load_file
from transformers import Trainer

from nlpkit.cli.app import main
from nlpkit.errors import Interrupted, UserError
from nlpkit.pruning.prepare import largest_sparsity
from nlpkit.pruning.trainer import SCORES_LEARNING_RATE, GradualPruning, Sparsifier
from nlpkit.recipes import evaluate, prune
from nlpkit.tasks import registry
from nlpkit.tasks.roles import Teachable

PRUNED = [kind for kind in every_task.kinds(Teachable) if kind != "embedding"]  # which learns no label of a text
ENCODERS = [kind for kind in PRUNED if not registry.task_class(every_task.KINDS[kind]).writes]


def pruned(model: Path, output: Path, **options: Any) -> dict[str, Any]:
    """The record of a run of `prune`."""
    fixed: dict[str, Any] = {"epochs": 0, "device": "cpu", "threads": 1, "measure_seconds": 0, "batch_size": 8}
    if not (model / "nlpkit.json").exists():
        fixed["data"] = str(model.parent / "data")
    return prune.run(prune.Config(**{**fixed, "model": str(model), "output": output, **options})).record


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def zeros(run: Path) -> dict[str, float]:
    """Share of zeros of each tensor of the saved model."""
    return {name: float((value == 0).float().mean()) for name, value in weights(run).items()}


# --- every task ---


@pytest.mark.slow
@pytest.mark.parametrize("task", PRUNED)
def test_weights_of_every_task(task: str, run_of: RunOf, tmp_path: Path) -> None:
    """In rounds, while the model learns from labels and the unpruned model; the metrics are those of `evaluate`."""
    output = tmp_path / "run"
    record = pruned(
        run_of(task), output, sparsity=0.5, rounds=3, epochs=1, learning_rate=1e-3, distill=True, measure_seconds=0.01
    )
    counts = record["pruning"]["zeros"]
    assert len(counts) >= 12
    shares = zeros(output)
    for name, (zero, count) in counts.items():
        assert zero == round(0.5 * count)
        assert shares[name] == zero / count
    before, after = record["price"]["sides"]
    assert before["parameters"] == after["parameters"]
    assert after["p50_ms"] > 0 and after["rows_per_second"] > 0
    assert record["price"]["written"] is (task == "text-to-text")  # whose texts are written to be timed
    assert [entry["command"] for entry in record["lineage"]][-1] == "prune"
    data = record["config"]["data"] or record["config"]["train_file"]
    measured = evaluate.run(evaluate.Config(model=str(output), data=data, split="validation", device="cpu", threads=1))
    assert measured.record["metrics"]["validation"] == pytest.approx(after["metrics"], abs=1e-4)


@pytest.fixture(scope="module")
def cut(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of each task a run without recovery: half of FFN and layers gone, and what is not used of the vocabulary."""
    folder = tmp_path_factory.mktemp("cut")
    for task in ENCODERS:
        pruned(run_of(task), folder / task, what="ffn,layers,vocabulary", sparsity=0.5, calibration_rows=16)
    return {task: folder / task for task in ENCODERS}


@pytest.mark.parametrize("task", ENCODERS)
def test_structures_of_every_task(task: str, cut: dict[str, Path]) -> None:
    record = json.loads((cut[task] / "nlpkit.json").read_text())
    kept = record["pruning"]["structure"]["layers"]
    assert len(kept) < 2 or kept[0]["neurons"] < 64
    assert len({layer["neurons"] for layer in kept}) == 1
    before, after = record["price"]["sides"]
    assert after["bytes"] < before["bytes"] and after["parameters"] < before["parameters"]


@pytest.mark.slow
def test_stock_classes_open_structures_in_a_fresh_process(cut: dict[str, Path]) -> None:
    script = (
        "import sys, json, transformers; from transformers import AutoConfig, AutoTokenizer\n"
        "for folder in sys.argv[1:]:\n"
        "    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)\n"
        "    kind = getattr(transformers, config.architectures[0])\n"
        "    model, info = kind.from_pretrained(folder, output_loading_info=True)\n"
        "    assert not any(info[key] for key in ('missing_keys', 'unexpected_keys', 'mismatched_keys')), info\n"
        "    model(**tokenizer('the film was good', return_tensors='pt'))\n"
        "    print(json.dumps([config.intermediate_size, config.num_hidden_layers, len(tokenizer)]))\n"
    )
    done = forked.run([sys.executable, "-c", script, *map(str, cut.values())])
    assert done.returncode == 0, done.stderr
    for line, run in zip(done.stdout.splitlines(), cut.values(), strict=True):
        pruning = json.loads((run / "nlpkit.json").read_text())["pruning"]
        kept = pruning["structure"]["layers"]
        assert json.loads(line) == [kept[0]["neurons"], len(kept), pruning["vocabulary"]["kept"]]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "question-answering"])
def test_heads_and_layers_of_their_own_width(task: str, run_of: RunOf, tmp_path: Path) -> None:
    """No stock class opens these; `nlpkit.load`, predict, and a second prune do."""
    from transformers import AutoModel

    import nlpkit

    output = tmp_path / "run"
    record = pruned(run_of(task), output, what="heads,ffn", per_layer=True, sparsity=0.5, calibration_rows=16)
    sizes = [(layer["heads"], layer["neurons"]) for layer in record["pruning"]["structure"]["layers"]]
    assert sum(heads for heads, _ in sizes) < 4 or sum(neurons for _, neurons in sizes) < 128
    model = nlpkit.load(output)
    assert model.num_parameters() == record["price"]["sides"][1]["parameters"]
    with pytest.raises(Exception, match=r"nlpkit\.load"):
        AutoModel.from_pretrained(output)
    again = pruned(output, tmp_path / "again", sparsity=0.3)
    assert again["lineage"][-2]["command"] == again["lineage"][-1]["command"] == "prune"
    data = record["config"]["data"]
    measured = evaluate.run(evaluate.Config(model=str(output), data=data, split="validation", device="cpu", threads=1))
    assert measured.record["metrics"]["validation"] == pytest.approx(record["metrics"]["validation"], abs=1e-4)


# --- models that write ---


def test_layers_of_either_side_and_the_vocabulary(run_of: RunOf, tmp_path: Path) -> None:
    """Half of the layers of encoder and decoder; plain Transformers writes with what is left as nlpkit does."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from nlpkit.recipes import predict

    text = tmp_path / "mine.txt"
    text.write_text("the late clerk was rude\n", encoding="utf-8")
    output = tmp_path / "run"
    record = pruned(
        run_of("text-to-text"), output, what="layers", sparsity=0.5, calibration_rows=16, vocab_from=str(text), epochs=1
    )
    kept = record["pruning"]["structure"]
    assert [kept[side]["depth"] for side in ("encoder", "decoder")] == [2, 2]
    before, after = record["price"]["sides"]
    assert after["parameters"] < before["parameters"]
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(output), AutoTokenizer.from_pretrained(output)
    assert [model.config.num_layers, model.config.num_decoder_layers] == [
        len(kept[side]["layers"]) for side in ("encoder", "decoder")
    ]
    assert len(tokenizer) == record["pruning"]["vocabulary"]["kept"] == model.config.vocab_size
    said = "the film was good"
    written = model.generate(**tokenizer(said, return_tensors="pt"))
    answers = predict.run(predict.Config(model=str(output), texts=[said], device="cpu", threads=1)).record
    assert tokenizer.decode(written[0], skip_special_tokens=True).strip() == answers["answers"][0]["prediction"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"what": "ffn,heads,layers"}, "--what ffn,heads: of models that write, as t5, whole layers are removed"),
        ({"what": "layers", "criterion": "magnitude"}, "go by the loss without them"),
        ({"what": "layers", "per_layer": True}, "the layers of t5 stay as wide as they are"),
        ({"what": "layers", "sparsity": None, "target_speedup": 2}, "how fast t5 writes hangs on how long its texts"),
        ({"what": "layers", "sparsity": 0.9}, "layers cannot be removed so far: at most 50"),
    ],
)
def test_what_models_that_write_do_without(
    options: dict[str, Any], message: str, run_of: RunOf, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as refused:
        pruned(run_of("text-to-text"), tmp_path / "run", **{"sparsity": 0.5, "calibration_rows": 16, **options})
    assert message in refused.value.message
    assert not (tmp_path / "run").exists()


# --- weights ---


def test_global_scope_prunes_the_share_of_all(run_of: RunOf, tmp_path: Path) -> None:
    record = pruned(run_of("classification"), tmp_path / "run", sparsity=0.7, scope="global")
    counts = record["pruning"]["zeros"].values()
    assert sum(zero for zero, _ in counts) == round(0.7 * sum(count for _, count in counts))
    assert len({round(zero / count, 3) for zero, count in counts}) > 3


@pytest.mark.slow
def test_embeddings_and_biases_by_flag_only(run_of: RunOf, tmp_path: Path) -> None:
    before = zeros(run_of("classification"))
    pruned(run_of("classification"), tmp_path / "plain", sparsity=0.5)
    plain = zeros(tmp_path / "plain")
    table = "bert.embeddings.word_embeddings.weight"
    for name, share in plain.items():
        changed = name.startswith("bert.") and name.endswith("weight") and "embeddings" not in name
        assert (share >= 0.5) if changed and "LayerNorm" not in name else (share == before[name]), name
    pruned(run_of("classification"), tmp_path / "more", sparsity=0.5, include="embeddings,biases", epochs=1)
    more = zeros(tmp_path / "more")
    assert more[table] == 0.5
    assert more["bert.encoder.layer.0.output.dense.bias"] == 0.5
    assert more["bert.embeddings.LayerNorm.weight"] == before["bert.embeddings.LayerNorm.weight"]
    assert more["classifier.weight"] == 0


@pytest.mark.slow
def test_random_is_another_choice_than_magnitude(run_of: RunOf, tmp_path: Path) -> None:
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    original = weights(run_of("classification"))[name]
    for criterion in ("magnitude", "random"):
        pruned(run_of("classification"), tmp_path / criterion, sparsity=0.5, criterion=criterion)
        left = weights(tmp_path / criterion)[name]
        assert torch.equal(left[left != 0], original[left != 0])  # nothing else has changed
        cut, kept = original[left == 0].abs(), original[left != 0].abs()
        assert (cut.max() <= kept.min()) == (criterion == "magnitude")


@pytest.mark.slow
def test_movement_learns_what_to_remove(run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    create = GradualPruning.optimizer

    def watch(self: GradualPruning, plain: Any) -> Any:
        seen["scores of"] = {id(tensor.scores) for tensor in self.sparsifier.tensors}
        seen["optimizer"] = create(self, plain)
        return seen["optimizer"]

    learn = Sparsifier.on_train_end

    def end(self: Sparsifier, *arguments: Any, **keywords: Any) -> None:
        learn(self, *arguments, **keywords)
        tensor = self.tensors[0]
        seen["scores"] = tensor.scores.detach().clone()
        seen["mask"], seen["weights"] = tensor.mask.clone(), tensor.original.detach().clone()

    monkeypatch.setattr(GradualPruning, "optimizer", watch)
    monkeypatch.setattr(Sparsifier, "on_train_end", end)
    record = pruned(run_of("classification"), tmp_path / "run", sparsity=0.6, criterion="movement", epochs=3)
    group = seen["optimizer"].param_groups[-1]
    assert group["initial_lr"] == SCORES_LEARNING_RATE
    assert {id(parameter) for parameter in group["params"]} == seen["scores of"]
    assert seen["scores"].unique().numel() > 100  # every entry has learned a score of its own
    cut, kept = (seen["weights"][seen["mask"] == value].abs() for value in (0, 1))
    assert cut.max() > kept.min()  # not the smallest weights
    for zero, count in record["pruning"]["zeros"].values():
        assert zero == round(0.6 * count)
    assert record["parameters"] == record["price"]["sides"][0]["parameters"]  # scores are no part of the model


@pytest.mark.slow
def test_only_a_model_of_the_final_sparsity_can_be_the_best(run_of: RunOf, tmp_path: Path) -> None:
    """In four rounds over two epochs the evaluations at steps 2 and 4 of 16 see less than is asked for."""
    record = pruned(run_of("classification"), tmp_path / "run", sparsity=0.5, rounds=4, epochs=2, eval_steps=2)
    assert record["steps"] == 16
    assert record["best_step"] > 12
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "eval_accuracy" in line] == list(range(2, 17, 2))


def test_a_run_cut_short_still_has_the_sparsity(run_of: RunOf, tmp_path: Path) -> None:
    """Its time is over before the last round."""
    record = pruned(run_of("classification"), tmp_path / "run", sparsity=0.5, rounds=8, epochs=50, max_minutes=0.0001)
    assert record["steps"] < 8
    shares = record["pruning"]["zeros"].values()
    assert [zero for zero, _ in shares] == [round(0.5 * count) for _, count in shares] != []


# --- targets ---


def test_the_largest_sparsity_within_a_drop() -> None:
    found = largest_sparsity(2.0, lambda sparsity: 10 * sparsity)
    assert found["sparsity"] == pytest.approx(0.2, abs=0.015) and found["points_lost"] <= 2.0
    assert largest_sparsity(2.0, lambda _: -1.0)["sparsity"] > 0.93  # some models win points
    with pytest.raises(UserError, match="--max-drop 2: removing"):
        largest_sparsity(2.0, lambda _: 3.0)


@pytest.mark.parametrize("what", ["weights", "ffn"])
def test_max_drop_finds_the_largest_sparsity(what: str, run_of: RunOf, tmp_path: Path) -> None:
    record = pruned(
        run_of("regression"), tmp_path / "run", what=what, max_drop=5, calibration_rows=16 if what == "ffn" else 512
    )
    found = record["pruning"]
    assert found["points_lost"] <= 5
    assert 0 < found["sparsity"] < 0.95
    # without recovery what was measured in the search is what the run has in the end
    assert record["price"]["sides"][1]["points_lost"] == pytest.approx(found["points_lost"], abs=1e-6)


@pytest.mark.slow
def test_target_speedup_says_what_was_reached(
    run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["prune", str(run_of("classification")), "--what", "ffn,layers", "--target-speedup", "1.05"]
    command += [
        "--epochs",
        "0",
        "--measure-seconds",
        "0.01",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--output",
        str(tmp_path / "run"),
    ]
    assert main(command) == 0
    said = capsys.readouterr().out
    pruning = json.loads((tmp_path / "run" / "nlpkit.json").read_text())["pruning"]
    assert pruning["predicted_speedup"] >= 1.05 or len(pruning["tries"]) > 1
    promised = f"promised {pruning['promised_speedup']:.2f} by the cut model before training, measured "
    assert (
        f"target: 1.05 times as fast; predicted {pruning['predicted_speedup']:.2f} by layers alone, {promised}" in said
    )
    assert "in batches of 32" in said
    assert pruning["promised_speedup"] == pruning["tries"][-1]["timed"]
    assert 0 < pruning["predicted_rows"] <= 32 and pruning["predicted_tokens"] > 0
    assert (tmp_path / "run" / "README.md").exists()


@pytest.mark.slow
def test_a_sweep_writes_the_front(
    run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str], drawing: Drawing
) -> None:
    output = tmp_path / "sweep"
    command = ["prune", str(run_of("classification")), "--sweep", "0.5,0.2", "--epochs", "0"]
    command += ["--measure-seconds", "0.01", "--device", "cpu", "--threads", "1", "--output", str(output)]
    with drawing():
        assert main(command) == 0
    assert re.search(r"sparsity +accuracy +points lost", capsys.readouterr().out)
    with (output / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sparsity"] for row in rows] == ["0.0", "0.2", "0.5"]
    assert (output / "plots" / "front.png").stat().st_size > 5_000
    record = json.loads((output / "nlpkit.json").read_text())
    assert record["status"] == "complete"
    for point in record["front"]:
        shares = json.loads((output / point["run"] / "nlpkit.json").read_text())["pruning"]["zeros"].values()
        assert [zero for zero, _ in shares] == [round(point["sparsity"] * count) for _, count in shares] != []
    assert main([*command, "--resume"]) == 0  # complete: says the same again


def test_vocabulary_alone_needs_no_recovery(run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pieces of train and of the user's text stay; the model says the same of such text, and reads other text. How
    much longer that becomes is said of text that was left out of the reading, and bounded."""
    from transformers import AutoTokenizer

    data = tmp_path / "data"
    data.mkdir()
    few = [
        {"text": text, "label": label} for text, label in (("a good film", "positive"), ("the bad soup", "negative"))
    ]
    for split in ("train", "validation"):
        write_jsonl(data / f"{split}.jsonl", few)
    text = tmp_path / "mine.txt"
    text.write_text("a lovely clerk\n", encoding="utf-8")
    given: dict[str, Any] = {"data": str(data), "vocab_from": str(text)}
    record = pruned(run_of("classification"), tmp_path / "run", max_growth=500, **given)
    assert record["steps"] == 0
    before, after = record["price"]["sides"]
    assert after["metrics"] == pytest.approx(before["metrics"])
    assert after["bytes"] < before["bytes"]
    kept = record["pruning"]["vocabulary"]
    assert kept["kept"] < kept["total"] and kept["growth"] == 1.0 and kept["general"] == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run")
    assert tokenizer.tokenize("the lovely film") == ["the", "lovely", "film"]
    assert len(tokenizer.tokenize("awful")) == len("awful")
    # by default text like the rows left out, here "the bad soup", keeps its length
    safe = pruned(run_of("classification"), tmp_path / "safe", **given)["pruning"]["vocabulary"]
    assert safe["general"] > 0 and kept["kept"] < safe["kept"] <= safe["total"]
    assert AutoTokenizer.from_pretrained(tmp_path / "safe").tokenize("awful") == ["awful"]


# --- resume ---


class Killed(BaseException):
    """Leaves a run as a kill does."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"max_drop": 5, "rounds": 4, "scope": "global", "distill": True},
        {"sparsity": 0.6, "criterion": "movement"},
        {"sparsity": 0.5, "what": "ffn,heads", "per_layer": True, "distill": True, "calibration_rows": 16},
    ],
    ids=["rounds", "movement", "structures"],
)
def test_a_killed_run_ends_the_same(
    options: dict[str, Any], run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = run_of("classification")
    settings = {"epochs": 2, "eval_steps": 3, "learning_rate": 1e-3, "logging_steps": 1, **options}
    whole = pruned(model, tmp_path / "whole", **settings)
    begin = Trainer.training_step

    def killed(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self.state.global_step == 7:
            raise Killed
        return begin(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "training_step", killed)
        with pytest.raises(Killed):
            pruned(model, tmp_path / "run", **settings)
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-6").exists()
    resumed = prune.run(prune.Config(model=str(model), output=tmp_path / "run", resume=True)).record
    for part in ("metrics", "best_step", "steps", "pruning", "parameters"):
        assert resumed[part] == whole[part], part
    theirs = weights(tmp_path / "whole")
    for name, value in weights(tmp_path / "run").items():
        assert torch.equal(value, theirs[name]), name
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_interrupted_run_says_how_to_go_on(run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sparsifier, "on_step_begin", stop)
    with pytest.raises(Interrupted) as stopped:
        pruned(run_of("classification"), tmp_path / "run", sparsity=0.5, epochs=1)
    command = f"nlpkit prune {run_of('classification')} --output {tmp_path / 'run'} --resume"
    assert command in str(stopped.value.hint)


# --- what is refused ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.5}, "--sparsity 1.5: input should be less than 1"),
        ({}, "prune was given no target"),
        ({"sparsity": 0.5, "max_drop": 1}, "prune was given --sparsity and --max-drop"),
        ({"sweep": "0.2,0.4", "target_speedup": 2, "what": "ffn"}, "prune was given --target-speedup and --sweep"),
        ({"sweep": "0.2,1.4"}, "a sparsity is between 0 and 1"),
        ({"target_speedup": 2}, "--target-speedup is for --what ffn, heads, layers, not for weights"),
        ({"sparsity": 0.5, "what": "weights,ffn"}, "weights and ffn are pruned one after the other"),
        ({"sparsity": 0.5, "what": "wieghts"}, "--what"),
        ({"sparsity": 0.5, "what": "vocabulary"}, "nothing but the vocabulary is pruned"),
        ({"sparsity": 0.5, "criterion": "gradient"}, "--criterion gradient is not for weights"),
        ({"sparsity": 0.5, "criterion": "movement", "what": "ffn"}, "--criterion movement is not for structures"),
        ({"sparsity": 0.5, "criterion": "movement"}, "--criterion movement learns what to remove in training"),
        (
            {"sparsity": 0.5, "criterion": "movement", "epochs": 1, "rounds": 2},
            "movement pruning removes at every step",
        ),
        ({"max_drop": 1, "criterion": "movement", "epochs": 1}, "known after training only"),
        ({"sparsity": 0.5, "rounds": 3}, "--rounds asks for training, and there is none"),
        ({"sparsity": 0.5, "distill": True}, "--distill asks for training, and there is none"),
        ({"sparsity": 0.5, "alpha": 0.9}, "--alpha is for --distill"),
        ({"sparsity": 0.5, "what": "ffn", "scope": "global"}, "--scope is for --what weights, not for ffn"),
        ({"sparsity": 0.5, "per_layer": True}, "--per-layer is for --what ffn, heads, layers, not for weights"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str, run_of: RunOf, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        pruned(run_of("regression"), tmp_path / "run", **options)
    assert message in refused.value.message
    assert not (tmp_path / "run").exists()


def test_a_model_that_does_not_tell_its_data(run_of: RunOf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not tell what it was trained on"):
        pruned(run_of("masked-lm"), tmp_path / "run", data=None, sparsity=0.5)


def test_a_model_that_is_quantized_already(run_of: RunOf, tmp_path: Path) -> None:
    folder = shutil.copytree(run_of("classification"), tmp_path / "quantized")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "torchao", "quant_type": "int8_weight_only"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="is quantized already: its weights cannot be changed"):
        pruned(folder, tmp_path / "run", sparsity=0.5)


def test_an_architecture_whose_structure_is_not_known(tmp_path: Path, run_of: RunOf) -> None:
    from transformers import XLNetConfig, XLNetForSequenceClassification

    tokenizer = every_task.make_tokenizer()
    config = XLNetConfig(vocab_size=len(tokenizer), d_model=32, n_layer=2, n_head=2, d_inner=64, num_labels=2)
    config.id2label, config.label2id = {0: "negative", 1: "positive"}, {"negative": 0, "positive": 1}
    XLNetForSequenceClassification(config).save_pretrained(tmp_path / "xlnet")
    tokenizer.save_pretrained(tmp_path / "xlnet")
    data = str(run_of("classification").parent / "data")
    with pytest.raises(UserError, match="structure of the architecture xlnet is not known"):
        pruned(tmp_path / "xlnet", tmp_path / "run", data=data, what="ffn", sparsity=0.5)
