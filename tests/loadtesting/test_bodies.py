from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.loadtesting import bodies
from nlpkit.loadtesting.bodies import Served
from nlpkit.loadtesting.options import LoadOptions

SST2 = Served("sst2", ["text"], ["predict"])
QA = Served("qa", ["question", "context"], ["predict"])
PAIRS = Served("mrpc", ["text", "text_pair"], ["predict"])
EMBEDDER = Served("faq", ["text"], ["embed"])


def asked(served: list[Served] | None, columns: list[str], path: str = "", **given: Any) -> bodies.Asked:
    return bodies.asked_of(served, path, LoadOptions(url="http://127.0.0.1:9", **given), columns)


@pytest.mark.parametrize(
    ("served", "path", "columns", "given", "expected_path", "template"),
    [
        ([SST2], "", ["sentence", "label"], {}, "/v1/models/sst2/predict", {"input": "{{ sentence }}"}),
        ([SST2], "", ["a", "b"], {"text_column": "b"}, "/v1/models/sst2/predict", {"input": "{{ b }}"}),
        ([EMBEDDER], "", ["text"], {}, "/v1/models/faq/embed", {"input": "{{ text }}"}),
        (
            [SST2, QA],
            "",
            ["Question", "context", "id"],
            {"model": "qa"},
            "/v1/models/qa/predict",
            {"input": {"question": "{{ Question }}", "context": "{{ context }}"}},
        ),
        (
            [PAIRS],
            "",
            ["text", "other"],
            {"text_pair_column": "other"},
            "/v1/models/mrpc/predict",
            {"input": {"text": "{{ text }}", "text_pair": "{{ other }}"}},
        ),
        ([SST2, EMBEDDER], "/v1/models/faq/embed", ["text"], {}, "/v1/models/faq/embed", {"input": "{{ text }}"}),
        ([EMBEDDER], "/v1/embeddings", ["text"], {}, "/v1/embeddings", {"model": "faq", "input": "{{ text }}"}),
        ([EMBEDDER], "/search", ["query"], {}, "/search", {"query": "{{ query }}"}),
        (None, "/embed", ["Text"], {"body": '{"inputs": ["{{text}}"]}'}, "/embed", {"inputs": ["{{ Text }}"]}),
        ([Served("a b", ["text"], [])], "", ["text"], {}, "/v1/models/a%20b/predict", {"input": "{{ text }}"}),
    ],
)
def test_a_service_is_asked_in_the_form_that_it_takes(
    served: list[Served], path: str, columns: list[str], given: dict[str, Any], expected_path: str, template: Any
) -> None:
    found = asked(served, columns, path, **given)
    assert (found.path, found.template) == (expected_path, template)


@pytest.mark.parametrize(
    ("served", "path", "given", "message"),
    [
        ([SST2, QA], "", {}, "the service has 2 models: sst2, qa"),
        ([SST2, QA], "", {"model": "sst"}, "no such model\nDid you mean sst2"),
        (None, "", {}, "no service of nlpkit, and how it is asked is not known"),
        (None, "", {"body": '{"a": "{{ text }}"}'}, "--body is for a path of the service"),
        (None, "/x", {"body": '{"a": "{{ text }}"}', "model": "m"}, "--model: this service is none of nlpkit"),
        (None, "/x", {"body": "nowhere.json"}, "no JSON, and no file that can be read: No such file"),
        (None, "/x", {"body": '{"a": '}, "not valid JSON"),
        (None, "/x", {"body": '{"a": 1}'}, "holds no column, so every request would be the same"),
        (None, "/x", {"body": '{"a": "{{ txet }}"}'}, "no --body column 'txet'; the columns are text, label"),
        ([SST2], "/v1/audio", {}, "not known what is sent to /v1/audio"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    served: list[Served] | None, path: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        asked(served, ["text", "label"], path, **given)


def test_cells_keep_their_types_and_rows_without_one_are_counted() -> None:
    template = {"inputs": "{{ text }}", "n": "{{ n }}", "prompt": "Q: {{ text }} {{ n }}", "fixed": [1, None]}
    rows = [{"text": 'a "b" é', "n": 3}, {"text": " ", "n": 1}, {"text": "c"}, {"text": "d", "n": ["x"]}]
    with reporting.listening() as heard:
        made = bodies.made(bodies.Asked("/", template), rows)
    assert [json.loads(body) for body in made] == [
        {"inputs": 'a "b" é', "n": 3, "prompt": 'Q: a "b" é 3', "fixed": [1, None]},
        {"inputs": "d", "n": ["x"], "prompt": "Q: d ['x']", "fixed": [1, None]},
    ]
    assert heard.warnings == ["2 rows without 'n', 'text' are not sent"]
    with pytest.raises(UserError, match="no row has 'n', 'text'"):
        bodies.made(bodies.Asked("/", template), rows[1:3])


def test_each_row_comes_once_a_round() -> None:
    sent = [b"a", b"b", b"c", b"d"]
    shuffled = list(itertools.islice(bodies.in_turn(sent, "shuffled", np.random.default_rng(0)), 12))
    rounds = [shuffled[i : i + 4] for i in (0, 4, 8)]
    assert all(sorted(each) == sent for each in rounds) and len(set(map(tuple, rounds))) > 1
    assert shuffled == list(itertools.islice(bodies.in_turn(sent, "shuffled", np.random.default_rng(0)), 12))
    assert list(itertools.islice(bodies.in_turn(sent, "file", np.random.default_rng(0)), 6)) == [*sent, *sent[:2]]


def test_rows_are_read_as_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text;label\nwarm soup;good\n\n", encoding="utf-8")
    assert bodies.read(LoadOptions(url="u", input=str(file))) == [{"text": "warm soup", "label": "good"}]
    with pytest.raises(UserError, match="name a file with texts"):
        bodies.read(LoadOptions(url="u"))
    monkeypatch.setattr(bodies, "MOST_ROWS", 2)
    file = tmp_path / "rows.txt"
    file.write_text("a\nb\nc\n", encoding="utf-8")
    with reporting.listening() as heard:
        assert bodies.read(LoadOptions(url="u", input=str(file))) == [{"text": "a"}, {"text": "b"}]
    assert "only the first 2 rows are sent" in heard.notes[-1]


def test_other_services_are_told_from_those_of_nlpkit() -> None:
    assert bodies.models_of({"data": [{"id": "gpt", "owned_by": "openai"}]}) is None
    assert bodies.models_of(["x"]) is None
    found = bodies.models_of({"data": [{"id": "a", "owned_by": "nlpkit", "form": {"inputs": [{"name": "text"}]}}]})
    assert found == [Served("a", ["text"], [])]
