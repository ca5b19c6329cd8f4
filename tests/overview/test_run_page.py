"""`nlpkit report`: what the page of a run holds, for every task, and that it can be opened safely."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import RunOf

from nlpkit.errors import UserError
from nlpkit.models.files import STRUCTURE
from nlpkit.options import Config
from nlpkit.overview import mistakes, options_told
from nlpkit.overview.run import Run
from nlpkit.recipes import finetune_cls, prune, report
from nlpkit.tasks.contract import Task

SCRIPT = "<script>alert(1)</script>"
WITH_CONTENT = {"script", "style", "title"}


class Page(HTMLParser):
    """A parsed page: its tags, its attributes and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.hidden = tag in WITH_CONTENT

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.text += data


def page_of(run: Path, output: Path) -> Page:
    report.run(report.Config(run=run, output=output, overwrite=True))
    return Page(output.read_text(encoding="utf-8"))


def loads_nothing(page: Page) -> bool:
    """Whether a page needs no script and no other file."""
    places = [value for name, value in page.attributes if name in ("src", "href")]
    return "script" not in page.tags and "link" not in page.tags and all(at.startswith("data:") for at in places)


def copied(run: Path, to: Path, **changes: Any) -> Path:
    """A run without its weights, with other fields in its record."""
    shutil.copytree(run, to, ignore=shutil.ignore_patterns("*.safetensors"))
    record = json.loads((to / "nlpkit.json").read_text(encoding="utf-8"))
    (to / "nlpkit.json").write_text(json.dumps(record | changes), encoding="utf-8")
    return to


@pytest.mark.parametrize("kind", every_task.kinds(Task))
def test_every_task_has_a_page(kind: str, run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(kind)
    if kind in ("masked-lm", "causal-lm"):  # which are plain Transformers folders, and no runs
        with pytest.raises(UserError, match="no run folder"):
            page_of(run, tmp_path / "page.html")
        return
    page = page_of(run, tmp_path / "page.html")
    assert loads_nothing(page)
    made = Run.open(run)
    assert made.task is not None and made.task in page.text and "How to use it" in page.text
    for split in made.metrics:
        assert split in page.text and str(made.figure(split, str(made.main_metric))) in page.text
    for mistake in made.mistakes()[:3]:
        assert str(mistake["where"]) in page.text


def test_the_page_shows_what_was_trained_and_how_to_repeat_it(trained: Path, tmp_path: Path) -> None:
    page = page_of(trained, tmp_path / "page.html")
    record = json.loads((trained / "nlpkit.json").read_text(encoding="utf-8"))
    for said in ("positive", "precision", record["versions"]["torch"], "--learning-rate", "0.005", "epochs"):
        assert said in page.text
    assert page.tags.count("img") == len(list((trained / "plots").glob("*.png"))) > 0  # the fixture draws them
    assert "details" in page.tags
    command = next(line for line in page.text.splitlines() if line.startswith("nlpkit finetune-cls --"))
    assert f"--data {record['config']['data']}" in command and "--epochs 6" in command and "--seed" not in command


def test_intervals_stand_beside_the_figures(trained: Path, tmp_path: Path) -> None:
    intervals = {"test": {"accuracy": [0.8123, 0.9876]}}
    run = copied(trained, tmp_path / "run", metric_intervals=intervals, interval_level=0.95)
    text = page_of(run, tmp_path / "page.html").text
    assert text.count("(0.81 to 0.99)") == 2 and "95 % confidence intervals" in text


def test_labels_and_texts_cannot_write_the_page(trained: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    finding = {"level": "warning", "check": SCRIPT, "message": SCRIPT, "examples": [SCRIPT], "count": 1}
    run = copied(
        trained,
        tmp_path / name,
        findings=[finding, finding | {"level": SCRIPT}, {"message": "without a level"}],
        task={"name": "text-classification", "problem": "single-label", "labels": [SCRIPT, "b"]},
        details={"test": {"per_class": {SCRIPT: {SCRIPT: 0.5}}}},
        device=SCRIPT,
        metric_notes={"accuracy": SCRIPT},
    )
    mistake = {"split": SCRIPT, "text": SCRIPT, "label": SCRIPT, "prediction": "b", "score": 0.9, "where": SCRIPT}
    half = {"text": "half \udc80", "label": {"label": SCRIPT, "start": 0, "end": 4}, "prediction": None}
    lines = [json.dumps(mistake), json.dumps(half), "{cut"]
    (run / "errors.jsonl").write_text("\n".join(lines), encoding="utf-8")
    page = page_of(run, tmp_path / "page.html")
    assert loads_nothing(page) and not any(attribute.startswith("on") for attribute, _ in page.attributes)
    assert page.text.count(SCRIPT) > 8 and "\\udc80" in page.text


def test_figures_of_many_labels_unfold(trained: Path, tmp_path: Path) -> None:
    by_label = {f"label {number}": {"f1": 0.5} for number in range(30)}
    few, many = (
        copied(trained, tmp_path / name, details={"test": {"per_class": dict(list(by_label.items())[:count])}})
        for name, count in (("few", 3), ("many", 30))
    )
    assert "test, per class: 30" in page_of(many, tmp_path / "many.html").text
    assert "test, per class:" not in page_of(few, tmp_path / "few.html").text


def test_what_was_made_of_another_shows_before_and_after(run_of: RunOf, tmp_path: Path) -> None:
    size = {"parameters": 2_000_000, "bytes": 8_000_000}
    slow, fast = {"p50_ms": 10.0, "rows_per_second": 100.0}, {"p50_ms": 5.0, "rows_per_second": 210.0}
    sides = [
        {"name": "large", "metrics": {"accuracy": 0.9}, "points_lost": 0.0, **size, **slow},
        {"name": "small", "metrics": {"accuracy": 0.85}, "points_lost": 5.0, **size, **fast},
    ]
    measured = {"device": ["cpu"], "date": "2026-01-02T03:04:05+0000"}
    price = {"split": "test", "rows": 90, "main_metric": "accuracy", **measured}
    lineage = [{"command": "finetune-cls", **sides[0]}, {"command": "prune", **sides[1]}]
    run = copied(run_of("classification"), tmp_path / "run", price=price | {"sides": sides}, lineage=lineage)
    text = page_of(run, tmp_path / "page.html").text
    for said in ("Before and after", "small", "0.8500", "5.00", "210", "What it comes from", "finetune-cls"):
        assert said in text


def test_folds_and_seeds_are_told_with_their_spread(trained: Path, tmp_path: Path) -> None:
    figure = {"accuracy": 0.7123}
    spread = dict.fromkeys(("mean", "sd", "least", "most", "pooled"), figure)
    doubted = {"text": "odd", "label": "a", "prediction": "b", "score": 0.9, "where": "in.csv line 7"}
    cv = {**spread, "folds": 2, "rows": 9, "each": [{"rows": 4, "metrics": figure}], "suspects": {"rows": [doubted]}}
    of_seeds = {key: {"test": figure, "validation": figure} for key in ("mean", "sd", "least", "most")}
    each = [{"seed": 3, "metrics": {"test": figure, "validation": figure}}]
    seeds = {**of_seeds, "chosen": 3, "chosen_by": "validation accuracy", "each": each}
    text = page_of(copied(trained, tmp_path / "run", cv=cv, seeds=seeds), tmp_path / "page.html").text
    for said in ("Cross-validation", "standard deviation", "in.csv line 7", "1 seeds", "3 (kept)", "those of a winner"):
        assert said in text
    assert text.count("0.7123") > 10


def test_a_model_with_cut_layers_is_not_said_to_open_elsewhere(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    assert "from_pretrained" in page_of(run, tmp_path / "page.html").text
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps(config | {STRUCTURE: {}}), encoding="utf-8")
    text = page_of(run, tmp_path / "page.html").text
    assert "from_pretrained" not in text and "nlpkit.load" in text


def test_an_unfinished_run_says_so_and_how_it_goes_on(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run", status="running", metrics=None, details=None)
    text = page_of(run, tmp_path / "page.html").text
    assert "has not come to its end" in text and f"--output {run} --resume" in text and "How to use it" not in text


def test_runs_without_a_model_and_of_other_versions_have_a_page(tmp_path: Path) -> None:
    for number, record in enumerate(
        (
            {
                "command": "train-tokenizer",
                "status": "complete",
                "metrics": {"train": {"tokens_per_word": 1.5}},
                "findings": ["the corpus is too small"],
            },
            {"command": "pretrain-mlm", "status": "complete", "config": {"objective": "mlm"}},
            {"command": "from-the-future", "status": "complete", "config": {"strange": 1}},
            {},
        )
    ):
        run = tmp_path / str(number)
        run.mkdir()
        (run / "nlpkit.json").write_text(json.dumps(record) if record else "", encoding="utf-8")
        page = page_of(run, tmp_path / "page.html")
        assert loads_nothing(page) and ("the corpus is too small" in page.text) == ("findings" in record)


def test_the_page_goes_into_the_run_and_a_named_file_is_not_replaced(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    for _ in range(2):
        assert report.run(report.Config(run=run)).record["output"] == str(run / "report.html")
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        report.run(report.Config(run=run, output=tmp_path / "mine.html"))
    with pytest.raises(UserError, match="web page"):
        report.run(report.Config(run=run, output=tmp_path / "page.pdf"))
    with pytest.raises(UserError, match="no run folder"):
        report.run(report.Config(run=tmp_path))


def test_a_large_or_empty_picture_does_not_swell_the_page(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    (run / "plots" / "curves.png").write_bytes(bytes(3_000_000))
    (run / "plots" / "confusion_matrix.png").write_bytes(b"")
    page = page_of(run, tmp_path / "page.html")
    assert page.tags.count("img") == len(list((run / "plots").glob("*.png"))) - 2 and "too large" in page.text
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


def test_marks_are_where_label_and_answer_are() -> None:
    part = {"label": "PER", "start": 4, "end": 12}
    mistake = {"text": "see Ann Lee now", "label": part, "prediction": {"label": "ORG", "start": 4, "end": 7}}
    pieces = [(piece.text, piece.kind, piece.name) for piece in mistakes.parts(mistake)]
    assert pieces == [("see ", "", ""), ("Ann", "both", "PER / ORG"), (" Lee ", "label", "PER"), ("now", "", "")]
    # bounds that no text has come from a file that was edited
    assert [piece.kind for piece in mistakes.parts({"text": "ab", "label": {"start": 1, "end": 9}})] == [""]


def test_pairs_that_are_confused_are_counted() -> None:
    wrong = [{"label": "a", "prediction": "b"}] * 3 + [{"label": "b", "prediction": "a"}]
    wrong += [{"label": None, "prediction": {"label": "PER"}}, {"label": {"label": "X"}, "prediction": {"label": "X"}}]
    wrong += [{"label": ["a", "b"], "prediction": ["a"]}, {"label": 0.5, "prediction": 0.1}]
    assert mistakes.confused(wrong) == [("a", "b", 3), ("b", "a", 1), ("(none)", "PER", 1)]


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (finetune_cls.Config, {"data": "a b.csv", "baseline": True}, "--data 'a b.csv' --baseline"),
        (finetune_cls.Config, {"label_columns": ["a", "b"]}, "--label-columns a --label-columns b"),
        (prune.Config, {"model": "runs/a", "sparsity": 0.5}, "runs/a --sparsity 0.5"),
    ],
)  # fmt: skip
def test_what_was_set_is_told_as_a_command(kind: type[Config], given: dict[str, Any], line: str) -> None:
    config = kind(**given)
    chosen = options_told.set_ones(config.record(), kind)
    assert chosen == given
    told = options_told.command_line("x", chosen, kind)
    assert sorted(shlex.split(told)) == sorted(["nlpkit", "x", *shlex.split(line)])


def test_it_imports_no_framework(run_of: RunOf, tmp_path: Path) -> None:
    code = (
        "import sys; from nlpkit.recipes import report; from pathlib import Path; "
        f"report.run(report.Config(run={str(run_of('classification'))!r}, output={str(tmp_path / 'p.html')!r})); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
