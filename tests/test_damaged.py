"""Files that were damaged, or edited by hand: one message with the place, never a library's own error."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import rows
from hearing import Heard

from nlpkit.cli.app import main
from nlpkit.errors import UserError


def edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        document = json.loads(path.read_text())
        changed = change(document)
        path.write_text(json.dumps(changed if isinstance(changed, list) else document))

    return edit


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("nlpkit.json", edited(lambda record: [record]), "is not the record of a run"),
        (
            "nlpkit.json",
            edited(lambda record: record.update(schema_version="x")),
            'schema_version: expected a whole number, found "x"',
        ),
        ("nlpkit.json", edited(lambda record: record.update(config="x")), 'config: expected an object, found "x"'),
        ("nlpkit.json", edited(lambda record: record.update(schema_version=99, versions=None)), "by a newer nlpkit"),
        ("nlpkit.json", edited(lambda record: record["task"].pop("columns")), "task.columns is missing"),
        ("nlpkit.json", edited(lambda record: record["task"].update(name=["x"])), "task.name: expected a text"),
        ("nlpkit.json", edited(lambda record: record.update(task="x")), 'task: expected an object, found "x"'),
        ("nlpkit.json", edited(lambda record: record["task"]["labels"].append("x")), "has 3 labels"),
    ],
)
def test_a_record_is_checked(
    file: str, damage: Callable[[Path], None], said: str, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    damage(run / file)
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    assert said in capsys.readouterr().err


def test_a_record_gives_no_permissions(trained: Path, tmp_path: Path, heard: Heard) -> None:
    """It may be somebody else's: code is run, and a run sent away, where a person says so."""
    from nlpkit.experiment import resume
    from nlpkit.recipes.finetune_cls import Config

    run = tmp_path / "run"
    shutil.copytree(trained, run)
    asked = {"trust_remote_code": True, "allow_pickle": True, "push_to_hub": "me/model", "public": True}
    edited(lambda record: record["config"].update(asked))(run / "nlpkit.json")
    repeated = Config.from_sources({}, run / "nlpkit.json", "finetune-cls")
    resumed = resume.resumed_options(Config(output=run, resume=True))
    given = resume.resumed_options(Config(output=run, resume=True, trust_remote_code=True))
    for config in (repeated, resumed):
        assert (config.trust_remote_code, config.allow_pickle, config.push_to_hub, config.public) == (
            False,
            False,
            None,
            False,
        )
        assert config.epochs == 6
    assert given.trust_remote_code and not given.allow_pickle
    flags = "--allow-pickle, --public, --push-to-hub, --trust-remote-code"
    assert heard.warnings[0] == f"{run / 'nlpkit.json'}: not taken from a record, give anew what is meant: {flags}"


def test_onnxruntime_is_told_not_to_report() -> None:
    code = "import nlpkit, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, check=True)
    assert done.stdout.strip() == "1"


def test_files_of_a_record_are_checked(trained: Path, reviews: Path, tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    edited(lambda record: record["parents"]["data"]["files"].update(train=[{"path": 5}]))(run / "nlpkit.json")
    assert main(["evaluate", str(run), "--data", str(reviews / "test.csv"), "--device", "cpu"]) == 2
    assert "nlpkit.json: parents.data.files.train.0.path: expected a text, found 5" in capsys.readouterr().err


def test_answers_that_are_no_numbers_are_no_answers(trained: Path, tmp_path: Path, capsys: Any) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    run = tmp_path / "run"
    shutil.copytree(trained, run)
    weights = load_file(run / "model.safetensors")
    weights["classifier.bias"][0] = torch.nan
    save_file(weights, run / "model.safetensors", metadata={"format": "pt"})
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    assert "no number (NaN), in fp32" in capsys.readouterr().err


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(40)), out)
    data = bytearray(out.getvalue())
    data[60:120] = b"\xff" * 60  # within the first page
    return bytes(data)


def xlsx() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows(40):
        book.active.append(list(row.values()))
    whole, damaged = io.BytesIO(), io.BytesIO()
    book.save(whole)
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(damaged, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)
    return damaged.getvalue()


@pytest.mark.parametrize("make", [parquet, xlsx])
def test_a_file_that_breaks_off_within(make: Callable[[], bytes], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / f"data.{make.__name__}"
    path.write_bytes(make())
    assert main(["check-data", "--data", str(path), "--model", "none"]) == 2
    assert f"{path}: damaged {make.__name__} file" in capsys.readouterr().err


def test_a_saved_data_set_with_damaged_rows(tmp_path: Path, capsys: Any) -> None:
    import datasets

    datasets.Dataset.from_list(rows(40)).save_to_disk(tmp_path / "saved")
    (path,) = (tmp_path / "saved").glob("*.arrow")
    path.write_bytes(path.read_bytes().replace(b"positive", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"))
    assert main(["check-data", "--data", str(tmp_path / "saved"), "--model", "none"]) == 2
    assert "the saved data set cannot be read" in capsys.readouterr().err


def test_a_value_in_a_recipe_that_is_no_yaml(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.yaml").write_text('data: x.csv\ntrainer: ["adam_beta2=`.98"]\n')
    assert main(["finetune-cls", "--config", str(tmp_path / "a.yaml")]) == 2
    assert "the value of 'adam_beta2=`.98' cannot be read" in capsys.readouterr().err


def test_a_message_does_not_repeat_a_page_of_input(capsys: Any) -> None:
    assert len(str(UserError("x" * 9_000, "y" * 9_000))) < 5_000
    assert main(["check-data", "--data", "x.csv", "--seed", "9a" * 2000]) == 2
    assert len(capsys.readouterr().err) < 400


@pytest.mark.parametrize(
    ("suffix", "content", "said"),
    [
        (
            "json",
            json.dumps([{"data": {"text": "Mira"}, "annotations": [{"result": result}]} for result in ([], 5)]),
            "row 2: this is not as in other ",
        ),
        ("conll", " ".join("abc" * 300) + "\n", "900 columns"),
    ],
)
def test_a_value_of_a_kind_that_nobody_writes(
    suffix: str, content: str, said: str, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / f"data.{suffix}"
    path.write_text(content)
    task = "token-classification" if suffix == "conll" else "text-classification"
    assert main(["check-data", "--data", str(path), "--model", "none", "--task", task]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error) < 3_000
