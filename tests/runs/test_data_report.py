"""The report of check-data: what a page or a JSON file holds of the data, and that it can be opened safely."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import rows, write_csv, write_jsonl
from qa_models import asked, write_squad

from nlpkit import page, reporting
from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.recipes import check_data
from nlpkit.tasks.roles import Trainable

SCRIPT, MATH = "<script>alert(1)</script>", r"$\frac$"
TAGS_WITH_CONTENT = {"script", "style", "title"}


class Page(HTMLParser):
    """A parsed page: its tags, its attributes and the text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.hidden = tag in TAGS_WITH_CONTENT

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.text += data


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 rows of two labels that look like markup, the label of line 8 wrong, then an empty text and a repetition."""
    path = tmp_path_factory.mktemp("data") / "a&b.csv"
    made = [{**row, "label": SCRIPT if row["label"] == "positive" else MATH} for row in rows(60)]
    made[6]["label"] = MATH if made[6]["label"] == SCRIPT else SCRIPT
    return write_csv(path, [*made, {"text": "", "label": MATH}, made[0]])


def check(data: Path, **values: Any) -> Any:
    return check_data.run(check_data.Config(data=str(data), **({"model": "none"} | values)))


@pytest.fixture(scope="module")
def report(labelled: Path, tiny_model: Path) -> tuple[Any, Page]:
    output = labelled.parent / "report.html"
    found = check(labelled, model=str(tiny_model), output=output)
    return found, Page(output.read_text(encoding="utf-8"))


def test_the_page_says_what_was_found(report: tuple[Any, Page], labelled: Path) -> None:
    found, page = report
    for text in (
        "a&b.csv",
        "These data can be trained on: ",
        "have no text and are left out",
        f"{labelled} line 62: column 'text' is empty",
        f"{labelled} line 63 = {labelled} line 2: ",
        "column 'text' (guessed; --text-column)",
        "token lengths",
        "label distribution",
        found.record["data"]["files"]["train"][0]["sha256"][:16],
    ):
        assert text in page.text, text
    assert str(found.lines[-1]).startswith("report: ")


def test_the_page_runs_nothing_and_loads_nothing(report: tuple[Any, Page]) -> None:
    _, page = report
    assert SCRIPT in page.text
    assert MATH in page.text
    assert not {"script", "link", "iframe", "form"} & page.tags
    loaded = [value for name, value in page.attributes if name in ("src", "href")]
    assert loaded
    assert all(value.startswith("data:image/svg+xml;base64,") for value in loaded)
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_suspects_are_rows_that_others_contradict(report: tuple[Any, Page], labelled: Path) -> None:
    found, page = report
    first = found.record["suspects"]["rows"][0]
    assert first["where"] == f"{labelled} line 8"
    assert {first["label"], first["prediction"]} == {SCRIPT, MATH}
    assert f"suspects: {found.record['suspects']['said']}" in found.lines
    assert "Labels to look at again" in page.text


def test_json_holds_what_the_page_is_made_of(report: tuple[Any, Page], labelled: Path, tiny_model: Path) -> None:
    output = labelled.parent / "report.json"
    found = check(labelled, model=str(tiny_model), output=output)
    record = json.loads(output.read_text(encoding="utf-8"))
    assert record == json.loads(json.dumps(found.record)) == json.loads(json.dumps(report[0].record))
    assert record["tables"][0]["rows"][0][0] == MATH
    train = record["token_lengths"]["train"]
    assert sum(train["rows"]) == train["figures"]["rows measured"] == record["rows"]["train"]
    assert train["edges"][0] <= train["figures"]["median"] <= train["edges"][-1]
    assert any("held out of train" in note for note in record["notes"])


def test_all_labels_and_many_rows_are_in_the_report(tmp_path: Path) -> None:
    made = [{"text": f"words {i // 2}", "label": f"label {i % 30}"} for i in range(240)]
    found = check(write_csv(tmp_path / "x.csv", made), output=tmp_path / "x.html")
    page = Page((tmp_path / "x.html").read_text(encoding="utf-8"))
    assert "label 29" in page.text
    assert "label 29" not in str(found.tables[0].rows)
    (duplicates,) = [f for f in found.record["findings"] if f["check"] == "duplicates" and "train" in f["message"]]
    assert len(duplicates["examples"]) == min(duplicates["count"], 100) > 10
    (line,) = [line for line in found.lines if "repeat an earlier one" in line and "train" in line]
    assert line.count("\n") == 3  # as many are printed


@pytest.mark.parametrize("task", every_task.kinds(Trainable))
def test_every_task_has_a_report(task: str, tmp_path: Path, tiny_model: Path) -> None:
    same = {"token-classification": None, "question-answering": None, "masked-lm": "fill-mask"}
    same |= {"embedding": "sentence-embedding", "text-to-text": "text2text-generation"}
    name = (same[task] or task) if task in same else "text-classification"
    data = {
        "token-classification": "a.conll",
        "question-answering": "a.json",
        "masked-lm": "a.txt",
    }.get(task, "a.jsonl")
    path = tmp_path / data
    if path.suffix == ".jsonl":
        write_jsonl(path, every_task.labelled(task, 48, seed=1))
    elif path.suffix == ".json":
        write_squad(path, asked(48, seed=1))
    else:
        path.write_text(every_task.tagged(48, seed=1), encoding="utf-8")
    found = check(path, task=name, model=str(tiny_model), output=tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert found.record["rows"]["train"] > 0
    for table in found.tables:
        assert table.title in page.text
    assert found.record["suspects"]["said"] in page.text
    json.dumps(found.record, allow_nan=False)


def test_a_model_that_knows_little_names_no_suspect(tmp_path: Path) -> None:
    made = [{"text": f"a{i} b{i}", "label": "xy"[i % 2]} for i in range(60)]
    found = check(write_csv(tmp_path / "x.csv", made), suspects=5)
    assert found.record["suspects"]["rows"] == []
    assert "too little to doubt a label by" in found.record["suspects"]["said"]
    assert check(tmp_path / "x.csv").record["suspects"] is None


def test_what_is_no_text_of_a_page_is_shown_by_its_number() -> None:
    assert page.text("a\udc80<b>") == "a\\udc80&lt;b&gt;"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("report.html", "exists"),
        ("report.pdf", "unknown format"),
        ("folder.html", "is a folder"),
        ("none/report.html", "there is no folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_first(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UserError, match=said):
        check(tmp_path / "no-data-is-read.csv", output=tmp_path / name)
    assert (tmp_path / "report.html").read_text() == "mine"


def test_overwrite_replaces_a_report(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("mine")
    check(labelled, output=tmp_path / "r.json", overwrite=True)
    assert "verdict" in json.loads((tmp_path / "r.json").read_text())


@pytest.mark.slow
def test_exit_codes(labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(data: Path, *more: str) -> int:
        output = tmp_path / "x.html"
        return main(
            ["check-data", "--data", str(data), "--model", "none", "--output", str(output), "--overwrite", *more]
        )

    clean = write_csv(tmp_path / "clean.csv", rows(50))
    assert (code(labelled), code(labelled, "--strict"), code(clean, "--strict")) == (0, 1, 0)
    write_csv(tmp_path / "train.csv", rows(50))
    write_csv(tmp_path / "validation.csv", rows(50))
    assert code(tmp_path / "train.csv,") == 0
    assert code(Path(f"{tmp_path / 'train.csv'},{tmp_path / 'validation.csv'}")) == 2
    assert "meaningless" in Page((tmp_path / "x.html").read_text()).text

    # a warning that was said while the files were read is one
    inner = check_data.splits.load

    def load(*given: Any) -> Any:
        reporting.current().warn("a line is odd")
        return inner(*given)

    monkeypatch.setattr(check_data.splits, "load", load)
    assert code(clean, "--strict") == 1
    assert "a line is odd" in Page((tmp_path / "x.html").read_text()).text


def test_labels_that_a_terminal_does_not_show_are_summed_up_there_alone(tmp_path: Path) -> None:
    made = [{"text": f"{i} {row['text']}", "label": f"intent {i % 23:02}"} for i, row in enumerate(rows(92))]
    found = check(write_csv(tmp_path / "many.csv", made))
    assert found.tables[0].rows[-2:] == [["(3 more)", 12, 0], ["(rows)", 83, 9]]
    assert len(found.record["tables"][0]["rows"]) == 24
    assert not any("more" in note for note in found.record["notes"])
    absent = next(finding for finding in found.record["findings"] if finding["check"] == "absent-class")
    assert absent["message"].startswith("validation: 14 classes of train have no row: intent ")
    assert absent["message"].endswith(", ...")
