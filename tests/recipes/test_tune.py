"""`nlpkit tune`, from the command line to the folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlpkit.cli.app import main
from nlpkit.cli.completion import offers
from nlpkit.errors import UserError
from nlpkit.recipes import evaluate, finetune_cls, tune
from nlpkit.tuning import latency

TINY = {"device": "cpu", "threads": 1, "epochs": 6, "eval_steps": 18, "batch_size": 16}


def flags(**given: Any) -> list[str]:
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def test_options_of_the_command_are_read_as_it_reads_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tune.Config] = []
    monkeypatch.setattr(tune, "run", lambda config: seen.append(config) or tune.Report({}))
    line = ["finetune-cls", "--data", "x.csv", "--model_name_or_path", "minilm", "--learning-rate=1e-5..5e-4:log"]
    line += ["--no-calibrate", "--gradient-checkpointing", "--trials", "7", "--baseline", "svm,lstm", "--epochs", "2,3"]
    assert main(["tune", *line]) == 0, capsys.readouterr().err
    (config,) = seen
    assert config.trials == 7
    assert config.options == {
        "data": "x.csv",
        "model": "minilm",
        "learning_rate": "1e-5..5e-4:log",
        "calibrate": "false",
        "gradient_checkpointing": "true",
        "baseline": "svm,lstm",
        "epochs": "2,3",
    }


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["finetun-cls", "--data", "x"], "'finetun-cls' is none\n  Did you mean finetune-cls?"),
        (["predict", "--data", "x"], "'predict' is none"),
        (["finetune-cls", "--learning_rat", "1..2"], "Did you mean --learning-rate?"),
        (["finetune-cls", "--epochs"], "--epochs"),
        (["finetune-cls", "--data", "sample:feedback", "--epochs", "3"], "nothing is searched"),
        (["finetune-cls", "--epochs", "1..2", "--data", "a", "--objective", "a,b,c"], "one or two different ones"),
        (["finetune-cls", "--epochs", "1..2", "--data", "a", "--sampler", "nsga2"], "for two objectives"),
        (["prune", "--epochs", "1..2"], "MODEL is required"),
        (["pretrain-mlm", "--data", "a", "--lr-finder"], "pretrain-mlm has no range test"),
        (["finetune-cls", "--data", "a", "--lr-finder", "--learning-rate", "1..2"], "which is given"),
        (["finetune-cls", "--data", "a", "--lr-finder", "--options", "learning-rate=1e-4"], "which is given"),
        (["finetune-cls", "--data", "a", "--lr-finder", "--sampler", "grid"], "needs single values"),
        (["finetune-cls", "--data", "a", "--lr-finder", "--storage", "j.log"], "a range of their own"),
    ],
)
def test_a_line_that_is_wrong_is_one_message(line: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", *line]) == 2
    assert told in capsys.readouterr().err


def test_help_and_completion_know_what_can_be_searched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in tune.PASSES_TO:
        assert main(["tune", command, "--help"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 24 and max(map(len, lines)) <= 80
        text = " ".join(lines)
        assert "--learning-rate" in text and "--schedule" in text and "--push-to-hub" not in text
    assert [offer.value for offer in offers(["tune", "finetune-cls", "--learning"])] == ["--learning-rate"]
    assert [offer.value for offer in offers(["tune", "finetune-ner", "--sam"])] == ["--sampler"]


def test_a_record_holds_no_password_and_gives_no_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"data": "x.csv", "epochs": "1,2", "trust_remote_code": "true"}
    config = tune.Config(
        target="finetune-cls", storage="postgresql://me:secret@host/x", ray="elsewhere", options=options
    )
    record = config.record()
    assert record["storage"] == "postgresql://me:***@host/x"
    folder = tmp_path / "tuned"
    folder.mkdir()
    entire = {"schema_version": 1, "status": "running", "command": "tune", "config": record}
    (folder / "nlpkit.json").write_text(json.dumps(entire))
    repeated = tune.Config.from_sources({}, folder / "nlpkit.json", "tune")
    assert repeated.options == {"data": "x.csv", "epochs": "1,2"}
    assert (repeated.storage, repeated.ray) == (None, None)
    with pytest.raises(UserError, match="the account of this search is in --storage postgresql"):
        tune.run(tune.Config(target="finetune-cls", resume=True, output=folder))
    assert main(["runs", str(tmp_path)]) == 0
    assert f"interrupted: nlpkit tune --output {folder} --resume" in capsys.readouterr().out


@pytest.mark.slow
def test_the_latency_of_a_trial_is_that_of_rows_it_held_out(run_of: Callable[[str], Path]) -> None:
    for kind in ("classification", "token-classification"):
        assert 0 < latency.measured(run_of(kind), {"device": "cpu", "threads": 1}, "tune") < 1000


@pytest.mark.slow
@pytest.mark.usefixtures("forked_trials")
def test_a_search_ends_with_the_best_and_what_it_is_worth(
    tmp_path: Path, reviews: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tuned"
    line = flags(data=reviews, model=tiny_model, **TINY)
    searched = ["--learning-rate", "5e-3,1e-2", "--trials", "3", "--sampler", "random", "--seed", "1"]
    assert main(["tune", "finetune-cls", *line, *searched, "--output", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    search = report["search"]
    assert [trial["trial"] for trial in search["trials"] if trial["is_default"]] == [0]
    best, metric = search["best"], report["main_metric"]
    figures = {trial["trial"]: trial[metric] for trial in search["trials"]}
    assert figures[best["trial"]] == max(figures.values()) == report["metrics"]["validation"][metric]

    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row[metric]) for row in rows] == sorted(figures.values(), reverse=True)
    assert len(rows) == 3

    for number in range(3):
        record = json.loads((folder / "trials" / f"{number:03}" / "nlpkit.json").read_text())
        assert set(record["metrics"]) == {"train", "validation"}  # what has seen no test row cannot be chosen by it
    kept = {file.parent.name for file in folder.rglob("model.safetensors")}
    assert kept == {"000", f"{best['trial']:03}", "best"}

    recipe = yaml.safe_load((folder / "best.yaml").read_text())
    config = finetune_cls.Config.from_sources({}, folder / "best.yaml", "finetune-cls")
    assert config.learning_rate == recipe["learning_rate"] == best["values"]["learning_rate"]
    assert config.data == str(reviews) and config.epochs == 6 and config.seed == 1

    gain = search["gain"]
    judged = evaluate.run(evaluate.Config(model=str(folder / "best"), split="test", save=False, device="cpu"))
    assert gain["split"] == "test" and gain["rows"] == 32
    assert gain["best"] == judged.metrics["test"][metric] == report["metrics"]["test"][metric]
    assert gain["value"] == pytest.approx(gain["best"] - gain["defaults"])

    assert main(["tune", "--resume", "--output", str(folder), "--trials", "4"]) == 0
    said = capsys.readouterr()
    assert "all 2 combinations were tried" in said.out
    assert f"the best is trial {best['trial']}: {folder / 'best'}" in said.out
    other = ["finetune-cls", *line, "--learning-rate", "1e-4,1e-3", "--resume", "--output", str(folder)]
    assert main(["tune", *other]) == 2
    assert "is of another search: space learning_rate was 0.005,0.01, here 0.0001,0.001" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("forked_trials")
def test_a_range_test_says_which_rates_are_searched(
    tmp_path: Path, reviews: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tuned"
    line = flags(data=reviews, model=tiny_model, output=folder, **{**TINY, "epochs": 1})
    wrong = [*line, "--lr-finder", "--label-column", "nothing"]
    assert main(["tune", "finetune-cls", *wrong]) == 2 and not folder.exists()
    assert "there is no label column 'nothing'" in capsys.readouterr().err  # told once, before any trial

    assert main(["tune", "finetune-cls", *line, "--lr-finder", "--trials", "2", "--json"]) == 0
    search = json.loads(capsys.readouterr().out)["search"]
    low, high = map(float, search["space"]["learning_rate"].removesuffix(":log").split(".."))
    assert high / low == pytest.approx(16, rel=0.05) and low >= 1e-6 / 4
    drawn = [trial["learning_rate"] for trial in search["trials"] if not trial["is_default"]]
    assert len(drawn) == 1 and low <= drawn[0] <= high
    assert (folder / "rates.png").is_file()

    again = ["--output", str(folder), "--trials", "3", "--dry-run"]
    repeated = ["--config", str(folder / "nlpkit.json"), "--output", str(tmp_path / "again"), "--dry-run"]
    for more in (["--resume", *again], ["finetune-cls", *line, "--lr-finder", "--resume", *again], repeated):
        assert main(["tune", *more]) == 0
        assert f"{search['space']['learning_rate']} (default" in capsys.readouterr().out  # and no other test
    record = json.loads((folder / "nlpkit.json").read_text())
    assert record["range_test"]["suggested"] == pytest.approx(4 * low, rel=0.05)
    (folder / "nlpkit.json").write_text(json.dumps({**record, "range_test": None}))
    assert main(["tune", "finetune-cls", *line, "--lr-finder", "--resume", *again]) == 2
    assert "was begun without a range test" in capsys.readouterr().err
