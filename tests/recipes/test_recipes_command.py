"""`nlpkit recipes`: the table of what ships, and the file of one."""

from __future__ import annotations

import pytest
import yaml

from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import UserError
from nlpkit.options import shipped
from nlpkit.recipes import recipes


def test_all_are_listed_with_what_they_are() -> None:
    report = recipes.run(recipes.Config())
    entries = {entry["name"]: entry for entry in report.record["recipes"]}
    assert sorted(entries) == shipped.names()
    assert all(entry["command"] in COMMANDS and entry["experiment"] for entry in entries.values())
    glue = entries["glue-sst2"]
    assert (glue["data"], glue["command"]) == ("glue:sst2", "finetune-cls")
    assert glue["source"] == "run_glue example of Transformers; Wang et al. 2018"
    assert {row[0] for table in report.tables for row in table.rows} == set(entries)
    (tagging,) = [table for table in report.tables if "finetune-ner" in table.title]
    of_tagging = {name for name, entry in entries.items() if entry["command"] == "finetune-ner"}
    assert {row[0] for row in tagging.rows} == of_tagging


def test_the_file_of_one_is_shown_as_it_is() -> None:
    report = recipes.run(recipes.Config(action="show", name="trec"))
    text = (shipped.folder() / "trec.yaml").read_text(encoding="utf-8")
    assert "\n".join(report.lines) + "\n" == text == report.record["yaml"]
    assert yaml.safe_load("\n".join(report.lines))["data"] == "CogComp/trec"
    assert not report.tables and report.next_command is None  # what is shown may go to a file


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"action": "show"}, "no recipe is named", "`nlpkit recipes` lists them."),
        ({"action": "show", "name": "trek"}, "there is no recipe 'trek'", "Did you mean 'trec'?"),
        ({"action": "show", "name": "../README"}, "there is no recipe '../README'", "`nlpkit recipes` lists them."),
        ({"name": "trec"}, "recipes list takes no name", "nlpkit recipes show trec"),
    ],
)
def test_what_cannot_be_shown_is_refused(given: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as raised:
        recipes.run(recipes.Config(**given))
    assert raised.value.hint == hint
