"""The page of attention in a browser: its numbers are the model's, within the rounding of 8 bits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import browser as browsers
import numpy as np
import pytest
from browser import Browser

from nlpkit.explaining.attention import page
from nlpkit.explaining.attention.masked import Masked
from nlpkit.explaining.attention.page import Opening
from nlpkit.explaining.attention.seen import Seen, Stack, Tokens
from nlpkit.explaining.attention.vectors import Vectors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browsers.found() is None, reason="no Chromium: apt-get install chromium"),
]

LAYERS, HEADS, SIZE = 3, 4, 8
WORDS = ("[CLS]", "the", "clerk", "[SEP]", "<b>was</b>", "kind", "[SEP]")
PAIR = Tokens(WORDS, tuple(word.startswith("[") for word in WORDS), (False,) * 4 + (True,) * 3)


def attended(rows: Tokens, columns: Tokens, seed: int) -> Stack:
    """Attention of random queries and keys."""
    rng = np.random.default_rng(seed)
    attentions, found = [], []
    for _ in range(LAYERS):
        queries, keys = (rng.normal(size=(HEADS, len(side), SIZE)).astype(np.float32) for side in (rows, columns))
        bias = rng.normal(size=(HEADS, len(rows) + len(columns) - 1)).astype(np.float32)
        distances = np.arange(len(columns)) - np.arange(len(rows))[:, None] + len(rows) - 1
        powers = np.exp(queries @ keys.swapaxes(1, 2) * SIZE**-0.5 + bias[:, distances])
        attentions.append(powers / powers.sum(axis=2, keepdims=True))
        found.append(Vectors(queries, keys, SIZE**-0.5, bias, False))
    return Stack("", rows, columns, tuple(attentions), tuple(found))


@pytest.fixture(scope="module")
def seen() -> Seen:
    masked = {2: Masked((("room", 0.5), ("clerk", 0.25)), 0.25, 2), 5: Masked((("kind", 0.9),), 0.9, 1)}
    return Seen("the clerk / <b>was</b> kind", None, (attended(PAIR, PAIR, 0),), masked)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


BEGIN = Opening("", 1, None)
Show = Callable[..., Browser]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of texts; what goes wrong in it, or asks for anything but the file, fails the test."""
    file = tmp_path / "attention.html"

    def shown(*texts: Seen, begin: Opening = BEGIN) -> Browser:
        file.write_text(page.made("a model", texts, begin, "About.").html, encoding="utf-8")
        browser.open(file.as_uri())
        browser.until("'ready' in document.body.dataset")
        return browser

    yield shown
    assert not browser.complaints
    assert browser.requested == [file.as_uri()]


def click(shown: Browser, key: str) -> None:
    shown.run(f"document.querySelector('[data-key={json.dumps(key)}]').click()")


def choose(shown: Browser, key: str, value: int | str) -> None:
    shown.run(
        f"(() => {{ const list = document.querySelector('[data-key={json.dumps(key)}]'); list.value = '{value}'; "
        "list.dispatchEvent(new Event('change')) })()"
    )


def numbers(shown: Browser, selector: str) -> list[float]:
    said = shown.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText.trim())")
    return [float(each) for each in said if each]


def texts(shown: Browser, selector: str) -> list[str]:
    return list(shown.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText.trim())"))


def rounding(shares: np.ndarray) -> Any:
    """By how much 8 bits of a root, and three decimals, may be off."""
    return 0.0039 * np.sqrt(shares) + 0.0006


def test_lines_of_one_head_and_of_several(show: Show, seen: Seen) -> None:
    (stack,) = seen.stacks
    shown = show(seen, begin=Opening("", 1, 2))
    click(shown, "rows-2")
    expected = stack.attentions[1][2, 2]
    assert np.all(np.abs(numbers(shown, ".columns .weight") - expected) <= rounding(expected))
    click(shown, "head-0")
    choose(shown, "layer", 0)
    click(shown, "columns-4")
    both = stack.attentions[0][[0, 2], :, 4]
    assert np.all(np.abs(numbers(shown, ".rows .weight") - both.sum(0)) <= rounding(both).sum(0))
    assert texts(shown, ".rows span:not(.weight)") == list(WORDS)  # a text with a tag is a text
    assert "2 heads" in shown.text("#said")


def test_special_tokens_are_hidden_and_what_they_take_is_told(show: Show, seen: Seen) -> None:
    shown = show(seen, begin=Opening("", 1, 0))
    click(shown, "hidden")
    words = [i for i, special in enumerate(PAIR.special) if not special]
    assert texts(shown, ".columns span:not(.weight)") == [WORDS[i] for i in words]
    taken = 1 - seen.stacks[0].attentions[1][0][np.ix_(words, words)].sum(1).mean()
    assert f"take {round(100 * taken)} % of the attention" in shown.text("#said")
    click(shown, "hidden")
    choose(shown, "pair", "ab")
    assert (texts(shown, ".rows span:not(.weight)"), texts(shown, ".columns span:not(.weight)")) == (
        list(WORDS[:4]),
        list(WORDS[4:]),
    )


def test_every_head_opens_by_a_click(show: Show, seen: Seen) -> None:
    shown = show(seen)
    click(shown, "view-all")
    assert shown.run("document.querySelectorAll('.all-heads canvas').length") == LAYERS * HEADS
    click(shown, "map-2-3")
    assert shown.text("#said").startswith("Layer 3, head 4:")


def test_query_times_key_gives_the_attention(show: Show, seen: Seen) -> None:
    (stack,) = seen.stacks
    shown = show(seen)
    click(shown, "view-vectors")
    choose(shown, "head", 1)
    choose(shown, "row", 4)
    vectors = stack.vectors[1]
    assert vectors is not None
    sums = vectors.keys[1] @ vectors.queries[1, 4] * vectors.scale
    expected = stack.attentions[1][1, 4]
    assert np.allclose(numbers(shown, ".sum"), sums, atol=0.1)
    assert np.allclose(numbers(shown, ".softmax"), expected, atol=0.02)
    assert np.all(np.abs(numbers(shown, ".number.attention") - expected) <= rounding(expected))
    click(shown, "column-5")
    assert "between <b>was</b> and kind, of 8 dimensions" in shown.text("main")


def test_a_word_is_masked_by_a_click(show: Show, seen: Seen) -> None:
    shown = show(seen)
    click(shown, "view-masked")
    click(shown, "place-2")
    assert shown.text("#candidates").split() == ["room", "0.500", "clerk", "0.250"]
    assert shown.text("#own") == "“clerk” itself has a probability of 0.250, and is number 2."


def test_encoder_decoder_and_cross_attention(show: Show) -> None:
    written = Tokens(("<s>", "good"), (True, False), (False, False))
    named = (("encoder", PAIR, PAIR), ("decoder", written, written), ("cross", written, PAIR))
    stacks = [replace(attended(rows, columns, i), name=name) for i, (name, rows, columns) in enumerate(named)]
    both = [Seen("a text", "good", tuple(stacks), None), Seen("another", "bad", tuple(reversed(stacks)), None)]
    shown = show(*both, begin=Opening("cross", 2, 1))
    click(shown, "rows-1")
    expected = stacks[2].attentions[2][1, 1]
    assert np.all(np.abs(numbers(shown, ".columns .weight") - expected) <= rounding(expected))
    assert "Written: good" in shown.text("main")
    choose(shown, "text", 1)
    choose(shown, "stack", 1)
    click(shown, "rows-0")
    expected = stacks[1].attentions[2][1, 0]
    assert np.all(np.abs(numbers(shown, ".columns .weight") - expected) <= rounding(expected))


def test_of_a_large_model_the_last_queries_and_keys_are_there(show: Show) -> None:
    rng = np.random.default_rng(0)
    side = Tokens(tuple(f"word{i}" for i in range(40)), (False,) * 40, (False,) * 40)
    layers = tuple(rng.dirichlet(np.ones(40) * 0.1, (16, 40)) for _ in range(24))
    made = Vectors(*(rng.normal(size=(16, 40, 64)) for _ in "qk"), 0.125, None, False)
    large = Seen("long", None, (Stack("", side, side, layers, (made,) * 24),), None)
    built = page.made("large", [large], Opening("", 0, None), "About.")
    assert len(built.html) < 2_000_000
    assert 0 < built.vectors < 24
    shown = show(large, begin=Opening("", 0, None))
    click(shown, "view-vectors")
    assert f"it has those of the layers {25 - built.vectors}, " in shown.text("main")
    choose(shown, "layer", 23)
    assert len(numbers(shown, ".softmax")) == 40


def test_of_very_many_tokens_the_first_are_shown(show: Show) -> None:
    side = Tokens(("a",) * 200, (False,) * 200, (False,) * 200)
    even = np.full((2, 200, 200), 1 / 200, np.float32)
    shown = show(Seen("very long", None, (Stack("", side, side, (even,), (None,)),), None), begin=Opening("", 0, None))
    assert "the first 128 of 200 tokens" in shown.text("header")
    assert "no view of queries and keys" in shown.text("header")
    assert len(texts(shown, ".rows button")) == 128
