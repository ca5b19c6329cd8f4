"""A function for each command: the same options, the same work, in a process that stays the caller's."""

from __future__ import annotations

import inspect
import logging
import os
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import rows

import nlpkit
from nlpkit.api import functions
from nlpkit.cli.registry import COMMANDS

TRAINING: dict[str, Any] = {
    "device": "cpu",
    "threads": 1,
    "max_steps": 4,
    "learning_rate": 5e-3,
    "batch_size": 16,
}


def test_import_and_dir_take_no_library_and_show_every_command() -> None:
    code = (
        "import sys, nlpkit; assert 'finetune' in dir(nlpkit); "
        "libraries = ('torch', 'transformers', 'datasets', 'pandas', 'numpy', 'pydantic'); "
        "print([name for name in libraries if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"finetune", "Predictor", "Report", "UserError", "open_run", "load"} <= set(dir(nlpkit))
    assert len(functions.names()) == len(COMMANDS)
    assert set(functions.names()) <= set(dir(nlpkit))


def test_signatures_and_docstrings_have_every_option() -> None:
    for name, command in functions.names().items():
        function = getattr(nlpkit, name)
        module = sys.modules[COMMANDS[command].module]
        options = set(module.Config.known_fields())
        assert options < set(inspect.signature(function).parameters)
        assert all(f"    {option}: " in function.__doc__ for option in options), name
    signature = inspect.signature(nlpkit.finetune)
    assert list(signature.parameters)[:2] == ["task", "data"]
    assert signature.parameters["epochs"].default == 3.0
    assert {"tag_column", "doc_stride", "label_columns"} < set(signature.parameters)  # of all tasks


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    made = pd.DataFrame(rows(160))
    return made.assign(label=made.label.astype("category"))


@pytest.fixture(scope="module")
def trained_here(frame: pd.DataFrame, tiny_model: Path, tmp_path_factory: Any) -> nlpkit.Report:
    output = tmp_path_factory.mktemp("api") / "run"
    return nlpkit.finetune("cls", frame[:128], model=tiny_model, output=output, **TRAINING)


def test_a_data_frame_is_trained_on_and_the_report_tells_of_the_run(trained_here: nlpkit.Report) -> None:
    report = trained_here
    assert report.path is not None
    assert (report.path / "model.safetensors").is_file()
    assert report.metrics.keys() == {"train", "validation"}
    assert report.record["config"]["data"].startswith("memory:")
    assert report.record["rows"] == {"train": 115, "validation": 13}
    assert any("column 'text' (guessed; text_column)" in note for note in report.notes)
    assert repr(report).startswith(f"<Report finetune-cls {report.path}; train accuracy ")
    assert "validation    13" in str(report)
    assert any("baseline=True" in line for line in report.lines)
    assert "--" not in str(report)
    assert nlpkit.open_run(report.path).metrics == report.metrics
    assert list(report.to_frame().index) == ["train", "validation"]


def test_the_page_of_a_report_is_escaped_and_holds_tables_warnings_and_plots(tmp_path: Path) -> None:
    from nlpkit.reporting import Marked, Report, Table

    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a_b.png").write_bytes(b"picture")
    marked = Marked("<b>Paris", [(3, 8, "<LOC>")], ["<LOC>"])
    table = Table("<result>", ["split", "x"], [["<script>", 0.5], [marked, None]])
    report = Report({"command": "finetune-cls", "output": str(tmp_path)}, [table], ["<i>line"])
    report.warnings = ["<u>warned"]
    html = report._repr_html_()
    assert not any(tag in html for tag in ("<script>", "<i>", "<u>", "<LOC>", "<result>"))
    for part in ("&lt;script&gt;", "0.5000", "&lt;LOC&gt;", "1 warning", "data:image/png;base64,cGljdHVyZQ=="):
        assert part in html


def test_evaluate_takes_rows_and_finds_those_of_the_training_again(
    trained_here: nlpkit.Report, frame: pd.DataFrame
) -> None:
    fresh = nlpkit.evaluate(trained_here.path, frame[128:], save=False)
    assert fresh.metrics.keys() == {"data"}
    assert fresh.warnings == []
    gated = nlpkit.evaluate(trained_here.path, frame[128:], save=False, fail_under={"accuracy": 2})
    assert (gated.exit_code, "fail_under=2;" in gated.failure) == (1, True)
    own = nlpkit.evaluate(trained_here.path, save=False)
    assert own.metrics["validation"] == pytest.approx(trained_here.metrics["validation"])
    seen = nlpkit.evaluate(trained_here.path, frame[:10], save=False)
    assert "rows are among those that" in seen.warnings[0]


def test_predict_answers_rows_in_memory_without_a_file(trained_here: nlpkit.Report, frame: pd.DataFrame) -> None:
    few = frame[128:131].reset_index(drop=True)
    few.loc[1, "text"] = None
    report = nlpkit.predict(trained_here.path, few)
    made = report.to_frame()
    assert list(made["label"]) == list(few["label"])
    assert made["prediction"].isna().tolist() == [False, True, False]
    assert "position 1" in report.warnings[0]
    assert [answer["text"] for answer in nlpkit.predict(trained_here.path, ["good", "bad"]).record["answers"]] == [
        "good",
        "bad",
    ]


def test_the_process_is_the_callers_again(trained_here: nlpkit.Report, frame: pd.DataFrame, monkeypatch: Any) -> None:
    import signal

    import torch

    def state() -> list[Any]:
        return [
            [logging.getLogger(name).level for name in ("", "torch", "transformers", "datasets", "accelerate")],
            list(logging.root.handlers),
            list(warnings.filters),
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            {name: value for name, value in os.environ.items() if name.startswith(("TRANS", "DATAS", "HF_", "ACC"))},
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            nlpkit.reporting.current(),
        ]

    monkeypatch.delenv("TRANSFORMERS_VERBOSITY", raising=False)
    logging.getLogger("transformers").setLevel(logging.WARNING)
    logging.getLogger("datasets").setLevel(logging.WARNING)
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    before = state()
    nlpkit.evaluate(trained_here.path, frame[128:], save=False, threads=1)
    with pytest.raises(nlpkit.UserError):
        nlpkit.evaluate(trained_here.path, "no-such-file.csv")
    assert state() == before


def test_mistakes_are_told_in_the_callers_words(frame: pd.DataFrame, trained_here: nlpkit.Report) -> None:
    with pytest.raises(TypeError, match=r"unknown keyword 'learnin_rate'\nDid you mean 'learning_rate'\?"):
        nlpkit.finetune("cls", frame, learnin_rate=1)
    with pytest.raises(nlpkit.UserError, match=r"^learning_rate=-1: input should be greater than 0"):
        nlpkit.finetune("cls", frame, learning_rate=-1)
    with pytest.raises(nlpkit.UserError, match="overwrite=True replaces it; or give another output"):
        nlpkit.finetune("cls", frame, output=trained_here.path)
    with pytest.raises(TypeError, match="model is required"):
        nlpkit.evaluate()
    with pytest.raises(TypeError, match="takes 2 values by place"):
        nlpkit.evaluate("a", "b", "c")
    with pytest.raises(TypeError, match="was given model twice"):
        nlpkit.evaluate("a", model="b")
    with pytest.raises(nlpkit.UserError, match=r"no task 'clas'\nDid you mean 'cls'"):
        nlpkit.finetune("clas", frame)
    with pytest.raises(nlpkit.UserError, match=r"nlpkit\.pretrain_mlm"):
        nlpkit.finetune("fill-mask", frame)
    with pytest.raises(AttributeError, match="did you mean 'finetune'"):
        nlpkit.finetun  # noqa: B018


def test_warnings_are_logged_and_notes_only_where_they_are_asked_for(
    trained_here: nlpkit.Report, frame: pd.DataFrame, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, "nlpkit")
    report = nlpkit.evaluate(trained_here.path, frame[:10], save=False)
    logged = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "nlpkit"]
    assert [text for level, text in logged if level == "WARNING"] == report.warnings
    assert [text for level, text in logged if level == "INFO"] == report.notes


def test_an_interrupt_is_pythons_own(monkeypatch: Any, trained_here: nlpkit.Report) -> None:
    from nlpkit.errors import Interrupted
    from nlpkit.recipes import evaluate

    def interrupted(config: Any) -> Any:
        raise Interrupted("interrupted", "Go on with: nlpkit finetune-cls --output runs/x --resume")

    monkeypatch.setattr(evaluate, "run", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the same call with resume=True"):
        nlpkit.evaluate(trained_here.path)


def test_a_run_on_rows_that_are_gone_says_that_data_are_needed(trained_here: nlpkit.Report, monkeypatch: Any) -> None:
    from nlpkit.data import memory

    monkeypatch.setattr(memory, "_held", {})
    with pytest.raises(nlpkit.UserError, match="rows that a Python process had in memory"):
        nlpkit.evaluate(trained_here.path)


def test_a_run_goes_on_with_the_same_rows_alone(frame: pd.DataFrame, tiny_model: Path, tmp_path: Path) -> None:
    options = {**TRAINING, "model": tiny_model, "output": tmp_path / "run"}
    nlpkit.finetune("cls", frame[:64], **options)
    (tmp_path / "run" / "nlpkit.json").write_text(
        (tmp_path / "run" / "nlpkit.json").read_text().replace('"status": "complete"', '"status": "running"')
    )
    with pytest.raises(nlpkit.UserError, match="was begun with other rows"):
        nlpkit.finetune("cls", frame[64:], **options, resume=True)
    assert nlpkit.finetune("cls", frame[:64], **options, resume=True).metrics


def test_another_thread_than_the_main_one_may_train(frame: pd.DataFrame, tiny_model: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(nlpkit.finetune, "cls", frame[:64], model=tiny_model, output=tmp_path / "run", **TRAINING)
        assert done.result().metrics


def test_a_list_is_several_values_and_a_comma_within_one_is_refused(trained_here: nlpkit.Report) -> None:
    with pytest.raises(nlpkit.UserError, match="labels: 'red, white' holds a comma"):
        nlpkit.zero_shot(trained_here.path, ["a"], labels=["red, white", "blue"])
    with pytest.raises(nlpkit.UserError, match="Give dicts by column"):
        nlpkit.predict(trained_here.path, [("a", "b")])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.Series(["good", "bad"]), "Series is neither rows nor a path"),
        (np.array(["good", "bad"]), "ndarray is neither rows nor a path"),
        (["a good film", "a bad soup"], "texts without labels"),
        ([("a good film", "pos")], "tuple is neither"),
        (({"text": x} for x in "ab"), "generator is neither"),
        ((pd.DataFrame({"text": ["a"]}), pd.DataFrame({"text": ["b"]})), "DataFrame is neither"),
        ([{"text": "a good film", "label": "pos", "extra": object()}], "'extra' holds object at position 0"),
        (pd.DataFrame({"text": ["a"], "extra": [object()]}), "'extra' holds object at position 0"),
    ],
)
def test_data_that_are_neither_rows_nor_a_path_are_refused(data: Any, said: str) -> None:
    with pytest.raises(nlpkit.UserError, match=said):
        nlpkit.check_data(data, model="none")


def test_a_sparse_column_is_read_and_a_frame_in_the_place_of_the_task_is_told() -> None:
    texts = [f"film {i} is {word}" for i in range(20) for word in ("good", "bad")]
    frame = pd.DataFrame({"text": texts, "label": pd.arrays.SparseArray([0, 1] * 20)})
    assert nlpkit.check_data(frame, model="none").exit_code == 0
    with pytest.raises(nlpkit.UserError, match="the task is named first, and DataFrame was given"):
        nlpkit.finetune(frame)  # type: ignore[arg-type]


def test_many_files_are_given_as_a_list(tmp_path: Path) -> None:
    files = [tmp_path / f"part-{i:02}.csv" for i in range(40)]
    for i, file in enumerate(files):
        file.write_text(f"text,label\ngood film {i},pos\nbad soup {i},neg\n", encoding="utf-8")
    names = [os.path.relpath(file) for file in files]
    assert nlpkit.check_data(names, model="none").exit_code == 0
