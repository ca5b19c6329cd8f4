"""Names in cards are text: whoever chose a label or a file's name chooses no markup, and no metadata."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlpkit import markdown
from nlpkit.experiment import card
from nlpkit.measurement import tables
from nlpkit.reporting import Table
from nlpkit.tokenization import card as tokenizer_card

NAME = (
    "x\n---\nlicense: mit\n---\n# head <script>1</script> ![i](http://a.b/c.png) [l](http://a.b) `c` a|b *e* __s__ $m$"
    "\x1b[1m"
)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("B-PER", "B-PER"),
        ("f1_macro of the label 'positive' (3.5 %)", "f1_macro of the label 'positive' (3.5 %)"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("a|b", r"a\|b"),
        ("_em_ and __init__", r"\_em\_ and \_\_init\_\_"),
        ("<b>&lt;", r"\<b\>\&lt;"),
        ("[a](b) ![c](d)", r"\[a\](b) !\[c\](d)"),
        ("see http://a.b and www.a.b, x@y.z", r"see http\://a.b and www\.a.b, x\@y.z"),
        ("two\nlines\x1b[1m", r"two\\nlines\\x1b\[1m"),
    ],
)
def test_marks_in_a_text(given: str, written: str) -> None:
    assert markdown.text(given) == written


def test_backticks_in_code() -> None:
    assert markdown.code("env") == "`env`"
    assert markdown.code("a`b``c") == "``` a`b``c ```"
    assert markdown.code("a|b") == r"`a\|b`"


def unmarked(text: str) -> None:
    """Asserts that no name has marked anything up."""
    assert not re.search(r"(?<!\\)<script", text)
    assert not re.search(r"(?<!\\)\[l(?<!\\)\]", text)
    assert "\n# head" not in text
    assert "\x1b" not in text
    assert "](http://" not in text
    for line in text.splitlines():
        if line.startswith("|"):  # as many cells as the head of its table
            assert "a|b" not in line


def test_names_in_the_card_of_a_run(trained: Path, tmp_path: Path) -> None:
    record: dict[str, Any] = copy.deepcopy(json.loads((trained / "nlpkit.json").read_text(encoding="utf-8")))
    record["label_counts"] = {"train": {NAME: 3, "good": 40}, NAME: {NAME: 1, "good": 2}}
    record["rows"][NAME] = 3
    record["parents"]["data"]["files"][NAME] = [{"path": f"{NAME}.csv", "sha256": "a" * 64, "bytes": 1}]
    record["parents"]["teacher"] = {"name": NAME, "given": NAME}
    side = {"name": NAME, "metrics": {"accuracy": 0.5}, "parameters": 1, "bytes": 1}
    record["price"] = {"sides": [side, side], "device": [NAME], "date": "2026-01-02", "rows": 3, "split": NAME}
    record["parents"]["data"]["spec"] = NAME.replace("/", "")
    record["parents"]["model"]["name"] = NAME
    record["findings"] = [{"level": "warning", "message": NAME, "check": "x"}]
    record["metrics"][NAME] = record["metrics"]["validation"]
    record["judged"][NAME] = 5
    card.write(tmp_path / "README.md", record, ())
    written = (tmp_path / "README.md").read_text(encoding="utf-8")
    front, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", written, re.S).groups()  # type: ignore[union-attr]
    metadata = yaml.safe_load(front)
    assert "license" not in metadata
    assert metadata["library_name"] == "transformers"
    unmarked(body)
    assert markdown.text("good") in body


def test_names_in_other_pages(tmp_path: Path) -> None:
    made = Table(NAME, [NAME, "b"], [[NAME, 1.5]])
    page = tables._markdown(made)
    unmarked(page)
    assert {line.count("|") - line.count("\\|") for line in page.splitlines()} == {3}
    record = {
        "command": "train-tokenizer",
        "tokenizer": {"vocab_size": 5, "special": ["`a`"], "added": [{"word": NAME}], "kind": NAME},
        "parents": {"model": {"name": NAME}, "data": {"spec": NAME}},
        "measured_on": "train",
        "compared": [{"words": 1, "characters": 1}],
        "findings": [NAME],
        "texts": 1,
        "versions": {},
    }
    tokenizer_card.write(tmp_path / "README.md", record, made)
    unmarked((tmp_path / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "said"), [("data/a.csv", "below which the data are"), ("memory:0123", "--data FILE"), ("/data/a.csv", "")]
)
def test_the_line_that_repeats_a_run_says_where_its_data_are(
    trained: Path, tmp_path: Path, path: str, said: str
) -> None:
    record = json.loads((trained / "nlpkit.json").read_text(encoding="utf-8"))
    record["parents"]["data"]["files"] = {"train": [{"path": path, "sha256": "0" * 64, "bytes": 1}]}
    for name in ("config.json", "nlpkit.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    card.write(tmp_path / "README.md", {**record, "steps": 1}, [])
    written = (tmp_path / "README.md").read_text(encoding="utf-8")
    repeated = written.partition("## To repeat it\n\n")[2]
    assert said in repeated.partition("```")[0]
    assert repeated.startswith("```") is (not said)
    assert "- 1 step of" in written
