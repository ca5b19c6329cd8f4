"""The page at `/` in a browser, for every kind of task: ask, see the answer drawn, take the request along as lines."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser as browsers
import numpy as np
import pytest
from browser import Browser
from conftest import write_jsonl
from every_task import KINDS
from serving import Client, serving

from nlpkit.recipes import index

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browsers.found() is None, reason="no Chromium: apt-get install chromium"),
]

# What is typed, in words that the tiny models know; the other kinds are asked about `TEXT`.
TEXT = "the clerk was kind and 😀 the room was cold"
TYPED = {
    "pairs": (TEXT, "a good film"),
    "question-answering": ("who was kind", TEXT),
    "masked-lm": ("the <mask> was very [MASK] <mask>",),
    "embedding": (f"{TEXT}\na bad film\na very good film",),
}
AWKWARD = 'it\'s a "good" film – $HOME \\ `late` ünïcode 😀'  # of which a shell would make something else


@pytest.fixture(scope="module")
def client(run_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("index")
    rows = [{"id": f"f{i}", "text": text} for i, text in enumerate(["a bad film", "the soup was cold", "a good film"])]
    data = write_jsonl(folder / "rows.jsonl", rows)
    index.run(index.Config(data=str(data), output=folder / "faq"))
    with serving({**{kind: run_of(kind) for kind in KINDS}, "faq": folder / "faq"}) as client:
        yield client


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, client: Client) -> Iterator[Callable[[str], Browser]]:
    """Opens the page of a model; what goes wrong in it, or leaves this server, fails the test."""

    def opened(kind: str) -> Browser:
        browser.open(f"{client.address}/#{kind}")
        browser.until("document.querySelector('#asking form')")
        return browser

    yield opened
    assert not browser.complaints
    assert all(url.startswith(client.address) for url in browser.requested)


def run(page: Browser) -> None:
    """Ask, as a hand on the keyboard does, and wait for the answer."""
    page.run("document.querySelector('#asking textarea').focus()")
    page.press("Enter", control=True)
    page.until("/^(Answered|First words)/m.test(document.querySelector('#answer').innerText)")


def lines(page: Browser, language: str) -> str:
    """The lines that the page shows for its request."""
    page.run(f"document.getElementById('tab-{language}').click()")
    return str(page.run("document.querySelector('#lines').textContent"))


def asked_again(page: Browser, client: Client) -> tuple[Any, list[dict[str, Any]]]:
    """The input of the page's request, and what the server answers to the request alone."""
    sent = re.search(r"  -d '(.*)'$", lines(page, "curl"), re.DOTALL)
    assert sent is not None
    body = json.loads(sent[1].replace("'\\''", "'"))
    body.pop("stream", None)
    name = page.run("document.querySelector('#model').value")
    return body["input"], client.post(f"/v1/models/{name}/predict", body).json["answers"]


def texts(page: Browser, selector: str) -> list[str]:
    return list(page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(one => one.textContent)"))


def as_labels(page: Browser, given: Any, answers: list[dict[str, Any]]) -> None:
    (answer,) = answers
    if isinstance(answer["prediction"], float):
        assert float(page.text(".prediction")) == pytest.approx(answer["prediction"], abs=1e-4)
        return
    names = answer["prediction"] if isinstance(answer["prediction"], list) else [answer["prediction"]]
    assert page.text(".prediction") == ("".join(names) or "none of the labels")
    drawn = dict(zip(texts(page, ".bars .name"), map(float, texts(page, ".bars .value")), strict=True))
    assert drawn == pytest.approx(answer["scores"], abs=1e-4)
    assert list(drawn) == sorted(drawn, key=lambda name: -answer["scores"][name])


def as_spans(page: Browser, given: Any, answers: list[dict[str, Any]]) -> None:
    (answer,) = answers
    assert texts(page, "mark") == [f"{one['text']}{one['label']}" for one in answer["prediction"]]
    assert texts(page, ".legend li") or "Nothing was found in it." in page.text("#answer")


def as_passage(page: Browser, given: Any, answers: list[dict[str, Any]]) -> None:
    (answer,) = answers
    assert texts(page, "mark") == [answer["prediction"]]
    others = answer["n_best"]
    assert texts(page, ".bars button") == [one["text"] or "(no answer)" for one in others]
    page.run("document.querySelectorAll('.bars button')[1].click()")
    assert texts(page, "mark") == [others[1]["text"]]
    before = page.run("document.querySelector('#answer .text').firstChild.textContent")
    assert before == given["context"][: others[1]["start"]]


def as_fills(page: Browser, given: Any, answers: list[dict[str, Any]]) -> None:
    (answer,) = answers
    best = [mask[0]["token"].strip().removeprefix("##") for mask in answer["candidates"]]
    assert texts(page, "mark") == best
    listed = [candidate["token"] for mask in answer["candidates"] for candidate in mask]
    assert texts(page, ".bars button") == listed
    page.run("document.querySelectorAll('.bars button')[1].click()")
    assert texts(page, "mark")[0] == listed[1].removeprefix("##")


def as_vectors(page: Browser, given: Any, answers: list[dict[str, Any]]) -> None:
    vectors = np.array([answer["prediction"] for answer in answers])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    drawn = np.array(texts(page, "td.heat"), dtype=float).reshape(len(given), -1)
    assert drawn == pytest.approx(vectors @ vectors.T, abs=0.0051)
    assert [row[2:] for row in texts(page, ".matrix th[scope=row]")] == given


def as_texts(page: Browser, given: Any, answers: list[dict[str, Any]]) -> None:
    (answer,) = answers
    assert page.run("document.querySelector('.written').textContent") == answer["prediction"]
    assert f"{answer['tokens']} token" in page.text("#answer")
    assert "First words after" in page.text("#answer")  # it came in pieces


DRAWN = {
    "labels": as_labels,
    "spans": as_spans,
    "passage": as_passage,
    "fills": as_fills,
    "vectors": as_vectors,
    "texts": as_texts,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_typed_is_answered_and_drawn(kind: str, page: Callable[[str], Browser], client: Client) -> None:
    shown = page(kind)
    form = client.get(f"/v1/models/{kind}").json["form"]
    filled = shown.run("[...document.querySelectorAll('#asking textarea[id^=input-]')].map(one => one.value)")
    assert filled == [column["example"] for column in form["inputs"]]
    for column, text in zip(form["inputs"], TYPED.get(kind, (TEXT,)), strict=True):
        shown.type(f"#input-{column['name']}", text)
    run(shown)
    DRAWN[form["shows"]](shown, *asked_again(shown, client))
    shown.run("document.querySelectorAll('details').forEach(one => (one.open = true))")
    unnamed = "[...document.querySelectorAll('input, select, textarea')].filter(one => !one.labels.length)"
    assert shown.run(f"{unnamed}.map(one => one.id)") == []
    shown.resize(360)
    assert shown.run("document.documentElement.scrollWidth") <= 360


def drawn(page: Browser, shows: str, answer: Any, asked: Any) -> str:
    """What is to be read of an answer that is made up."""
    given = ", ".join(json.dumps(one) for one in (shows, [answer], asked))
    place = "document.querySelector('#answer')"
    page.run(f"import('/page/answers.js').then(part => {place}.replaceChildren(...part.drawn({given})))")
    return page.text("#answer")


def test_spans_are_counted_in_characters(page: Callable[[str], Browser]) -> None:
    shown = page("token-classification")
    found = [
        {"text": "Zoë", "label": "PER", "score": 0.9, "start": 3, "end": 6},
        {"text": "Rome", "label": "LOC", "score": 0.8, "start": 10, "end": 14},
        {"text": "Ann", "label": "PER", "score": 0.7, "start": 18, "end": 21},
    ]
    drawn(shown, "spans", {"prediction": found, "score": 0.8}, "😀😀 Zoë in Rome to Ann.")
    assert texts(shown, "mark") == ["ZoëPER", "RomeLOC", "AnnPER"]
    assert shown.run("document.querySelector('#answer .text').textContent") == "😀😀 ZoëPER in RomeLOC to AnnPER."
    assert texts(shown, ".legend li") == ["PER 2", "LOC 1"]
    colours = shown.run("[...document.querySelectorAll('mark')].map(one => getComputedStyle(one).backgroundColor)")
    assert colours[0] == colours[2] != colours[1]


def test_answers_that_are_none_or_not_whole_are_told(page: Callable[[str], Browser]) -> None:
    shown = page("classification")
    labels = {"prediction": None, "score": 0.6, "abstained": 1, "margin": 0.2}
    assert "not sure enough" in drawn(shown, "labels", labels, "a film")
    columns = {"prediction": "b", "score": 0.7, "score_a": 0.3, "score_b": 0.7, "cut": 12}
    assert "longer than the model reads: 12 tokens were left out" in drawn(shown, "labels", columns, "a film")
    assert texts(shown, ".bars .name") == ["b", "a"]
    none = {"prediction": "", "score": 0.8, "start": None, "end": None, "n_best": []}
    assert "no answer in this text" in drawn(shown, "passage", none, {"question": "who", "context": "nobody"})
    nothing = {"found": [], "chance": {"best": {"score": 0.41}, "threshold": 0.6, "false_answer": 1, "estimate": False}}
    assert "An answer needs a score of 0.6; the nearest has 0.41" in drawn(shown, "results", nothing, "a film")
    failed = {"prediction": None, "score": None, "error": "there is no text"}
    assert drawn(shown, "vectors", failed, "x").strip() == "there is no text"


def test_texts_are_shown_as_they_are(page: Callable[[str], Browser]) -> None:
    shown = page("classification")
    harmful = "<img src=x onerror=alert(1)><b>bold</b>"
    said = drawn(shown, "labels", {"prediction": harmful, "score": 0.5}, harmful)
    assert harmful in said
    assert shown.run("document.querySelectorAll('#answer img').length") == 0
    hit = {"id": "7", "score": 0.5, "rank": 1, "text": harmful, "values": {"price": "5"}}
    found = drawn(shown, "results", {"found": [hit], "chance": None}, "query")
    assert harmful in found and "7, score 0.5, price: 5" in found


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
@pytest.mark.parametrize("kind", ["classification", "causal-lm"])
def test_the_lines_ask_what_the_page_asks(
    kind: str,
    language: str,
    page: Callable[[str], Browser],
    client: Client,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")  # the service is on this machine
    shown = page(kind)
    shown.type("#input-text", AWKWARD)
    given, answers = asked_again(shown, client)
    assert given == AWKWARD
    code = lines(shown, language)
    if language == "curl":
        if shutil.which("curl") is None:
            pytest.skip("no curl")
        said = subprocess.run(["bash", "-c", code], capture_output=True, check=True, timeout=60).stdout.decode()
    elif language == "Python":
        exec(code, {})
        said = capfd.readouterr().out
    else:
        said = shown.run(
            f"(async () => {{ const said = [], console = {{ log: one => said.push(one) }}; {code}; "
            "return said.map(one => (typeof one === 'string' ? one : JSON.stringify(one))).join('') })()"
        )
    if kind == "causal-lm":  # it comes in pieces
        if language == "curl":
            said = "".join(json.loads(piece)["text"] for piece in re.findall(r'data: (\{"text".*\})', said))
        assert said == answers[0]["prediction"]
    else:
        read = {"curl": lambda: json.loads(said)["answers"], "Python": lambda: ast.literal_eval(said)}
        assert read.get(language, lambda: json.loads(said))() == answers


def test_a_search(page: Callable[[str], Browser], client: Client) -> None:
    shown = page("faq")
    shown.type("#input-query", "cold soup")
    sent = json.loads(str(re.search(r"-d '(.*)'$", lines(shown, "curl"))[1]))  # type: ignore[index]
    run(shown)
    ((found, *_),) = client.post("/v1/models/faq/search", sent).json["results"]
    assert texts(shown, ".results .text")[0] == found["text"] == "the soup was cold"


def test_options_are_sent_where_they_are_not_as_usual(page: Callable[[str], Browser], client: Client) -> None:
    shown = page("masked-lm")
    assert '"options"' not in lines(shown, "curl")
    shown.run("document.querySelector('#asking details').open = true")
    shown.type("#option-top_k", "2")
    assert '"options":{"top_k":2}' in lines(shown, "curl")
    run(shown)
    assert len(texts(shown, ".bars button")) == 2 * 2  # of two masks


def test_wrong_options_are_told(page: Callable[[str], Browser], browser: Browser) -> None:
    shown = page("classification")
    shown.run("document.querySelector('#asking details').open = true")
    shown.type("#option-min_score", "0.9")
    shown.type("#option-abstain_label", "positive")
    shown.press("Enter", control=True)
    shown.until("document.querySelector('#answer .problem')")
    assert "422 invalid_options: abstain_label positive: it is a label of the model" in shown.text("#answer")
    browser.complaints[:] = [one for one in browser.complaints if "422" not in one]  # the browser's own line on it


def test_a_text_without_words_is_refused_with_its_place(page: Callable[[str], Browser], browser: Browser) -> None:
    shown = page("classification")
    shown.type("#input-text", " ")
    shown.press("Enter", control=True)
    shown.until("document.querySelector('#answer .problem')")
    assert "422 invalid_input" in shown.text("#answer")
    assert texts(shown, "#answer code") == ["input[0]"]
    browser.complaints[:] = [one for one in browser.complaints if "422" not in one]


def test_writing_is_stopped(page: Callable[[str], Browser]) -> None:
    shown = page("causal-lm")
    shown.run("document.querySelector('#asking form').requestSubmit(); document.querySelector('.stop').click()")
    shown.until("document.querySelector('#answer').innerText.startsWith('Stopped.')")
    assert shown.run("document.querySelector('.main').disabled") is False
    run(shown)  # and the next one is answered


def test_times_of_the_last_requests(page: Callable[[str], Browser]) -> None:
    shown = page("classification")
    run(shown)
    run(shown)
    assert "2 requests of this page" in shown.text("#times")
    assert texts(shown, "#times tbody th") == ["round trip", "server"]
    assert all(re.fullmatch(r"[\d.,]+ ms", cell) for cell in texts(shown, "#times td:not(:last-child)"))
    assert shown.run("document.querySelectorAll('#times circle').length") == 4
    values = [3.0, 1.0, 7.0, 2.0]
    for share in (0.5, 0.95):
        drawn = shown.run(f"import('/page/measures.js').then(part => part.quantile({values}, {share}))")
        assert drawn == pytest.approx(np.quantile(values, share))


def test_the_state_of_the_server(page: Callable[[str], Browser], client: Client, browser: Browser) -> None:
    shown = page("classification")
    shown.until("document.querySelector('#status').textContent === 'ready'")
    client.service.draining = True
    try:
        shown.run("document.dispatchEvent(new Event('visibilitychange'))")
        shown.until("document.querySelector('#status').textContent.startsWith('draining')")
    finally:
        client.service.draining = False
    browser.complaints[:] = [one for one in browser.complaints if "503" not in one]


def test_the_page_of_the_api(browser: Browser, client: Client) -> None:
    browser.open(f"{client.address}/docs")
    browser.until("document.querySelector('.operation')")
    assert "/v1/models/{name}/predict" in browser.text("main")
    assert not browser.complaints
    assert all(url.startswith(client.address) for url in browser.requested)


def test_a_key_is_asked_for_and_not_shown(browser: Browser, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("right-key\n")
    with serving({"one": trained}, api_key_file=tmp_path / "keys") as client:
        browser.open(f"{client.address}/docs")
        browser.until("document.querySelector('.problem')")  # it would name the models
        browser.open(client.address)
        browser.until("!document.querySelector('#key-section').hidden")
        browser.type("#key", "wrong-key")
        browser.press("Enter")
        browser.until("document.querySelector('#answer').innerText.includes('401')")
        browser.type("#key", "right-key")
        browser.press("Enter")
        browser.until("document.querySelector('#asking form')")
        run(browser)
        said = {language: lines(browser, language) for language in ("curl", "Python", "JavaScript")}
        assert all("NLPKIT_API_KEY" in code and "right-key" not in code for code in said.values())
        assert "right-key" not in browser.run("document.documentElement.outerHTML")
        assert browser.run("localStorage.length + document.cookie.length") == 0
