"""Slips of a newcomer: each message names the way out."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from conftest import rows, write_csv

from nlpkit import nearby
from nlpkit.cli.app import main
from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.recipes import check_data
from nlpkit.reporting import Report


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard error of a command line that is wrong."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a csv file, in which commands are typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("ok.csv", "my data.csv", "ok.zip", "ok.xls"):
        write_csv(tmp_path / name, rows(8))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("finetune-cls ok.csv", "Did you mean --data ok.csv?"),
        ("check-data ok.csv", "Did you mean --data ok.csv?"),
        ("evaluate run ok.csv", "Did you mean --data ok.csv?"),
        ("finetune-cls --data ok.csv --compile aut", "Did you mean --compile auto?"),
        ("finetune-cls --data ok.csv --compile fast", "Behind --compile may stand auto, or nothing."),
        ("train-tokenizer ok.csv", "Did you mean --data ok.csv?"),
        ("predict run --data ok.csv", "Did you mean --input?"),
        ("train-vectors --data ok.csv", "FILE is given without a flag."),
        ("evaluate run --input ok.csv", "Did you mean --data?"),
        ("finetune-cls --data a.csv b.csv", "--data a.csv,b.csv, or a pattern in quotes"),
        ("pretrain-mlm --data a.txt b.txt", "Write the flag before each: --data a.txt --data b.txt"),
        ("finetune-cls data=ok.csv", "Did you mean --data ok.csv?"),
        ("finetune-cls -data ok.csv", "Did you mean --data?"),
        ("finetune-cls \u2014data ok.csv", "type two hyphens, --data"),
        ("finetune-cls --test-data ok.csv", "Did you mean --test-file?"),
        ("distill --teacher run --data ok.csv", "TEACHER is given without a flag."),
        ("benchmark --model run", "MODEL is given without a flag."),
        ("tokenize --model run words", "Did you mean --tokenizer?"),
        ("train --data ok.csv", "nlpkit finetune-cls"),
        ("eval run", "nlpkit evaluate"),
        ("predict run ok.csv", "--input ok.csv"),
        ("tokenize ok.csv", "$(cat ok.csv)"),
        ("predict ok.csv run", "rows of a file go behind --input."),
        ("benchmark run ok.csv", "MODEL ok.csv is a file, not a model folder"),
        ("benchmark run ok.csv", "rows of a file go behind --data."),
        ("distill ok.csv", "TEACHER ok.csv is a file, not a model folder"),
        ("finetune-cls --model ok.csv", "--model ok.csv is a file, not a model folder"),
        ("predict --model run words", "MODEL is given without a flag."),
        ("predict run words --context ok.csv", "--context-file ok.csv"),
        ("finetune-cls --data ok.csv --data b.csv", "--data ok.csv,b.csv"),
        ("predict run --input ok.csv --input b.csv", "One file at a time."),
        ("finetune-cls --data my data.csv", "--data 'my data.csv'"),
        ("finetune-cls --config runs", "the config file runs is a folder"),
        ("finetune-cls --data runs/nope", "there is nothing"),
        ("ok.csv", "A command comes first: nlpkit check-data --data ok.csv"),
        ("--data ok.csv", "Options stand behind the command"),
        ("predict run --text words", "TEXT is given without a flag."),
        ("predict run --input *.csv", "nlpkit predict run --input '*.csv' --output DIR"),
        ("predict run --input ok.csv,b.csv", "one file at a time"),
        ("predict run --input ok.csv ok.csv", "one file at a time"),
        ("finetune-cls --resume runs", "Did you mean --resume --output runs?"),
        ("finetune-cls --data ok.csv --validation-share 20", "It is a share: 0.2 stands for 20 %."),
        ("evaluate run --data ok.csv --fail-under 0.9", "Write it --fail-under METRIC=X."),
        ("finetune-cls --data ok.zip", "Unpack it first"),
        ("finetune-cls --data ok.xls", "Save it as .xlsx or .csv."),
        ("finetune-cls --data ok.csv --text-column text,label", "Name one column."),
        ("predict run -5", "stands behind --, in the end: -- -5"),
        ("predict run -i ok.csv", "Did you mean --input?"),
        ("check-data -f ok.csv", "Did you mean --data?"),
        ("evaluate run --csv ok.csv", "Did you mean --data?"),
        ("finetune-cls --data ok.csv --metric f1", "Did you mean --best-metric?"),
        ("prune run --ratio 0.5", "Did you mean --sparsity?"),
        ("quantize run int8", "Did you mean --to onnx-int8 or --to onnx-int8-static or --to torch-int8?"),
        ("quantize run bf16", "--to bf16"),
        ("quantize run --format onnx", "Did you mean --to onnx-int8"),
        ("PREDICT run words", "nlpkit predict"),
        ("finetune_cls --data ok.csv", "nlpkit finetune-cls"),
    ],
)
def test_the_way_out_of_a_wrong_command_line(line: str, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, *line.split())
    assert way.lower() in error.lower()


def test_a_text_that_begins_with_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    assert "stands behind --, in the end: -- '- a good film'" in said(capsys, "predict", "run", "- a good film")


@pytest.mark.parametrize(
    "before", [(), ("predict",), ("check-data",), ("check-data", "--data"), ("evaluate", "run", "--data")]
)
def test_a_text_longer_than_a_name_may_be(before: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main([*before, "a good film " * 40]) == 2
    assert "OSError" not in capsys.readouterr().err


def test_a_model_among_the_arguments_is_told_from_data(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "base").mkdir()
    (here / "base" / "config.json").write_text("{}")
    assert "Did you mean --model base?" in said(capsys, "finetune-cls", "base", "--data", "ok.csv")


@pytest.mark.parametrize("flag", ["--data", "--model", "--output"])
def test_an_empty_path_is_not_the_folder_one_is_in(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    others = {"--data": "ok.csv", "--model": "minilm"}
    rest = [part for name, value in others.items() if name != flag for part in (name, value)]
    assert f"{flag} is empty" in said(capsys, "finetune-cls", *rest, flag, "")


def test_an_option_given_twice_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[check_data.Config] = []
    monkeypatch.setattr(check_data, "run", lambda config: seen.append(config) or Report({}))
    files = ["--test-file", "a.csv", "--test-file", "b.csv"]
    assert main(["check-data", "--data", "ok.csv", "--seed", "1", "--seed=2", "--encoding", "x", *files]) == 0
    assert capsys.readouterr().err == "warning: --seed is given twice: 2 counts, not 1\n"
    assert (seen[0].seed, seen[0].test_file) == (2, ["a.csv", "b.csv"])


def test_h_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in ((["-h"], "Start with:"), (["evaluate", "-h"], "Usage: nlpkit evaluate")):
        assert main(arguments) == 0
        assert said in capsys.readouterr().out


# --- texts that are names of files ---


def test_the_name_of_a_file_gets_no_answer(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, "predict", str(trained), "a good film", "ok.csv")
    assert "'ok.csv' is a file" in error
    assert main(["predict", str(trained), "okk.csv"]) == 0
    assert "'okk.csv' is taken for a text: there is no such file; did you mean ok.csv?" in capsys.readouterr().err
    assert main(["predict", str(trained), "I wrote ok.csv and train.csv"]) == 0
    assert "warning" not in capsys.readouterr().err


# --- writing over what is read ---


def test_what_is_read_is_not_written_over(here: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(trained, here / "runs" / "mine")
    before = {path.name: path.read_bytes() for path in (here / "runs" / "mine").iterdir() if path.is_file()}
    for line, option in (
        ("quantize runs/mine --output runs/mine", "MODEL"),
        ("prune runs/mine --sparsity 0.5 --output ./runs/mine", "MODEL"),
        ("distill runs/mine --student-layers 1 --output runs/mine/", "TEACHER"),
        ("finetune-cls --data ok.csv --model runs/mine --output runs/mine", "--model"),
    ):
        assert f"is also what {option} reads" in said(capsys, *line.split(), "--overwrite")
    assert {path.name: path.read_bytes() for path in (here / "runs" / "mine").iterdir() if path.is_file()} == before
    text = (here / "ok.csv").read_text()
    line = "predict runs/mine --input ok.csv --output ok.csv --overwrite"
    assert "--output ok.csv is also what --input reads" in said(capsys, *line.split())
    assert (here / "ok.csv").read_text() == text


def test_a_run_below_a_file(capsys: pytest.CaptureFixture[str], tiny_model: Path) -> None:
    error = said(capsys, "finetune-cls", "--data", "ok.csv", "--model", str(tiny_model), "--output", "ok.csv/run")
    assert "ok.csv is a file" in error


# --- folders that hold no model ---


def test_a_misspelt_run_folder(here: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(trained, here / "runs" / "reviews")
    assert "Did you mean runs/reviews?" in said(capsys, "predict", "runs/review", "a text")
    assert "Did you mean runs/reviews?" in said(capsys, "evaluate", "run/reviews", "--data", "ok.csv")
    # a name that could be the hub's: nothing is found there, but here
    assert "Did you mean runs/reviews?" in said(capsys, "predict", "reveiws", "a text")
    assert "Give one: runs/reviews" in said(capsys, "predict", "runs", "a text")
    assert "Give the folder that it lies in: runs/reviews" in said(capsys, "predict", "runs/reviews/config.json", "x")


def test_a_path_beside_others_is_never_asked_of_the_hub(here: Path) -> None:
    with pytest.raises(UserError, match="runs/nope: there is no such folder"):
        opening.resolve("runs/nope")
    assert opening.resolve("google/electra") == "google/electra"
    with pytest.raises(UserError, match="Write the name of the model alone: google/electra-small"):
        opening.resolve("https://huggingface.co/google/electra-small/tree/main")


def test_a_run_that_is_not_finished(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "half").mkdir()
    record = {"schema_version": 1, "status": "running", "command": "finetune-ner"}
    (here / "half" / "nlpkit.json").write_text(json.dumps(record))
    error = said(capsys, "predict", "half", "a text")
    assert "the run in half is not finished" in error
    assert "nlpkit finetune-ner --output half --resume" in error
    assert "does not tell its options" in said(capsys, "finetune-ner", "--output", "half", "--resume")


@pytest.mark.parametrize(
    "command", [name for name, entry in COMMANDS.items() if entry.panel in ("Train", "Compress")] + ["benchmark"]
)
def test_a_folder_that_is_not_finished_is_gone_on_with_where_the_command_can(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (here / "half").mkdir()
    record = {"schema_version": 1, "status": "running", "command": command}
    (here / "half" / "nlpkit.json").write_text(json.dumps(record))
    error = said(capsys, "predict", "half", "a text")
    can = "resume" in import_module(COMMANDS[command].module).Config.known_fields()
    assert ("--resume" in error, "--overwrite" in error) == (can, not can)


# --- a gate that fails ---


def test_json_with_a_failed_gate_says_why_on_standard_error(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        main(["evaluate", str(trained), "--data", "ok.csv", "--fail-over", "accuracy=-1", "--no-save", "--json"]) == 1
    )
    captured = capsys.readouterr()
    assert json.loads(captured.out)["failures"]
    assert "nlpkit: failed: " in captured.err
    assert "accuracy is" in captured.err.splitlines()[-1]

    monkeypatch.setattr(check_data, "run", lambda _: Report({}, exit_code=1, failure="3 warnings"))
    assert main(["check-data", "--data", "ok.csv", "--json"]) == 1
    assert capsys.readouterr().err == "nlpkit: 3 warnings\n"


def test_strict_says_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    twice = write_csv(Path("twice.csv"), [*rows(20), *rows(3)])
    arguments = ["check-data", "--data", str(twice), "--model", "none", "--strict", "--json", "--quiet"]
    assert main(arguments) == 1
    found = [entry for entry in json.loads(capsys.readouterr().out)["findings"] if entry["level"] == "warning"]
    assert found
    assert main(arguments) == 1
    assert f"nlpkit: {len(found)} warning" in capsys.readouterr().err


def test_an_empty_argument_is_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nlpkit: " in said(capsys, "check-data", "--", "")


def test_files_that_share_their_suffix_alone_are_not_alike(tmp_path: Path) -> None:
    for name in ("some.csv", "reviews.csv", "reviews.tsv"):
        (tmp_path / name).touch()
    assert nearby.nearest_path(tmp_path / "nope.csv") is None
    assert nearby.nearest_path(tmp_path / "revews.csv") == tmp_path / "reviews.csv"
    assert nearby.nearest_path(tmp_path / "reviews.tvs") == tmp_path / "reviews.tsv"


def test_a_choice_that_is_none_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'utf-16'?" in said(capsys, "finetune-ner", "--data", "ok.csv", "--offsets", "utf16")


BYTES = "caf\udce9"  # as Python has an argument with a byte that is not UTF-8


def test_slips_of_one_command_line_stand_in_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "finetune-cls", "--data", "ok.csv", "--epochs", "-1", "--seed", "x").splitlines() == [
        "nlpkit: 2 options are wrong:",
        "  - --epochs '-1': input should be greater than 0",
        "  - --seed 'x': this is not a whole number",
    ]


def test_arguments_that_are_not_utf_8(
    trained: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{BYTES}.csv").write_text("text,label\na,b\n")
    train = ["finetune-cls", "--model", str(trained), "--dry-run"]
    for arguments, said in (
        (["predict", str(trained), f"{BYTES} text"], "'caf\\udce9 text' is not in UTF-8"),
        (["tokenize", str(trained), f"{BYTES} text"], "'caf\\udce9 text' is not in UTF-8"),
        (["predict", BYTES, "text"], "MODEL caf\\udce9: this name is not in UTF-8"),
        (
            [*train, "--data", f"{BYTES}.csv", "--output", "run"],
            "caf\\udce9.csv: the name of this file is not in UTF-8",
        ),
        ([*train, "--data", str(reviews), "--output", BYTES], "--output caf\\udce9: this name is not in UTF-8"),
    ):
        assert main(arguments) == 2, arguments
        assert said in capsys.readouterr().err
    # no table and no record keeps these
    answers = [str(trained), "--input", f"{BYTES}.csv", "--output", f"{BYTES}.jsonl", "--device", "cpu"]
    assert main(["predict", *answers]) == 0
    assert len(Path(f"{BYTES}.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("classification", {"text": "a", "labels": "['x\\udfff']"}),
        ("classification", {"text": "a", "labels": '["x\\udfff"]'}),
        ("classification", {"text": "a", "labels": "['x' '\\udfff']"}),
        ("token-classification", {"tokens": "['a\\udfff']", "tags": "['O']"}),
        (
            "token-classification",
            {"text": "a b", "label": '[{"start": 0, "end": 1, "text": "a", "labels": ["\\udfff"]}]'},
        ),
        (
            "question-answering",
            {"question": "a", "context": "b", "answers": "{'text': ['\\udfff'], 'answer_start': [0]}"},
        ),
    ],
)
def test_half_a_character_that_a_cell_escapes(
    task: str, row: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(tmp_path / "a.csv", [row] * 8)
    code = main(["check-data", "--data", str(tmp_path / "a.csv"), "--task", task, "--model", "none"])
    assert code in (0, 2), capsys.readouterr().err
