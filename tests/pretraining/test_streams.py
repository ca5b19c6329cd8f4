"""Token streams: what is in them, the cache, what is held out; and streaming, which resumes at the exact row."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pretraining_runs import byte_bpe, documents, stream_of, texts, wordpiece, write_corpus

from nlpkit.data.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.options import CorpusOptions
from nlpkit.pretraining import streams
from nlpkit.pretraining.rows import Blocks, Lines, Pairs, TokenRow
from nlpkit.pretraining.streaming import Position, StreamedRows
from nlpkit.pretraining.streams import Encoder, HeldOut

SEP = 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def corpus(path: Any, **options: Any) -> Corpus:
    return Corpus(CorpusOptions(data=[str(path)], **options))


def plain(lines: list[str]) -> list[list[int]]:
    return [wordpiece()(line, add_special_tokens=False)["input_ids"] for line in lines]


# --- texts to tokens ---


def test_a_stream_is_the_texts_with_a_separator_behind_each_document() -> None:
    made = documents(7)
    stream = stream_of(made)
    expected: list[int] = []
    for document in made:
        expected += [token for ids in plain(document) for token in ids] + [SEP]
    assert stream.tokens.tolist() == expected
    assert stream.tokens.dtype == np.uint16
    assert len(stream.texts) == sum(map(len, made)) + 1
    assert stream.texts[-1] == len(expected)
    assert len(stream.documents) == 7
    assert (stream.tokens[stream.document_starts()[1:] - 1] == SEP).all()


def test_truncation_and_padding_saved_in_a_tokenizer_do_not_cut_the_corpus() -> None:
    from conftest import make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=4)
    line = " ".join(texts(5))
    (ids,) = Encoder(tokenizer).ids([line])
    assert ids.tolist() == plain([line])[0]
    assert tokenizer.backend_tokenizer.truncation is not None  # and its own stay as they are


def test_the_lines_of_a_document_are_joined_by_a_blank() -> None:
    """A byte-level tokenizer would make one word of the end of a line and the beginning of the next."""
    made = [["the film", "was great"], ["my room"]]
    stream = stream_of(made, byte_bpe())
    assert byte_bpe().decode(stream.tokens.tolist()) == "the film was great</s>my room</s>"
    together = byte_bpe()("the film was great", add_special_tokens=False)["input_ids"]
    assert stream.tokens[: len(together)].tolist() == together
    alone = stream_of(made, byte_bpe(), joined=False)
    assert byte_bpe().decode(alone.tokens.tolist()) == "the filmwas great</s>my room</s>"


def test_sentences_are_parted_and_keep_their_quotes() -> None:
    encoder = Encoder(byte_bpe(), sentences=True)
    rows, starts = encoder.encode(['"My film." He was late (very.) The end', "And so on"], [True, False])
    parts = [byte_bpe().decode(ids.tolist()).strip() for ids in rows]
    assert parts == ['"My film."', "He was late (very.)", "The end", "And so on"]
    assert starts == [True, False, False, False]


def test_texts_that_give_no_token_leave_no_trace() -> None:
    rows, starts = Encoder(wordpiece()).encode(["\u200b", "film", "\x00", "room"], [True, False, True, False])
    assert [ids.tolist() for ids in rows] == plain(["film", "room"])
    assert starts == [True, True]


# --- what is held out ---


@pytest.mark.parametrize(("share", "run"), [(0.05, 1), (0.05, 10), (0.5, 1), (0.1, 3)])
def test_the_share_that_is_held_out(share: float, run: int) -> None:
    rule = HeldOut.share(share, run=run, seed=42)
    held = [number for number in range(20_000) if number in rule]
    assert len(held) / 20_000 == pytest.approx(share, rel=0.02)
    assert all(number // run * run + i in rule for number in held for i in range(run))
    other = HeldOut.share(share, run=run, seed=43)
    assert not [number for number in held if number in other]


def test_train_and_validation_are_the_corpus_and_share_nothing(tmp_path: Path) -> None:
    lines = [f"{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}" for i in range(500)]  # each another word
    (tmp_path / "text.txt").write_text("\n".join(lines))
    rule = HeldOut.share(0.1, run=1, seed=7)
    found = streams.cached(corpus(tmp_path / "text.txt"), Encoder(wordpiece()), rule)
    pieces = {
        name: [
            tuple(token for token in stream.tokens[a:b].tolist() if token != SEP)
            for a, b in pairwise(stream.texts.tolist())
        ]
        for name, stream in found.items()
    }
    whole = [tuple(ids) for ids in plain(lines)]
    assert pieces["validation"] == [ids for i, ids in enumerate(whole) if i in rule]
    assert pieces["train"] == [ids for i, ids in enumerate(whole) if i not in rule]
    assert len(pieces["validation"]) == 50


def test_lines_that_are_trained_on_are_not_validated_on() -> None:
    """Whichever line of its document they are; what is left keeps its documents."""
    train = stream_of([["the red bike", "a cold room"], ["very good soup"]])
    held = stream_of([["a cold room", "the bike"], ["very good soup"], ["bike red the", "the red bike"]])
    left, seen = streams.unseen(held, train)
    expected = stream_of([["the bike"], ["bike red the"]])
    assert seen == 3
    for part in ("tokens", "texts", "documents"):
        assert getattr(left, part).tolist() == getattr(expected, part).tolist()
    assert streams.unseen(expected, train) == (expected, 0)
    assert len(streams.unseen(train, train)[0].tokens) == 0


# --- the cache ---


def test_a_second_run_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_corpus(tmp_path / "text.txt", documents(20))
    rule = HeldOut.share(0.2, run=1, seed=1)
    first = streams.cached(corpus(path), Encoder(wordpiece()), rule)
    again = Encoder(wordpiece())
    monkeypatch.setattr(Encoder, "ids", lambda *_: pytest.fail("tokenized again"))
    second = streams.cached(corpus(path), again, rule)
    assert isinstance(second["train"].tokens, np.memmap)
    for name, stream in first.items():
        for part in ("tokens", "texts", "documents"):
            assert getattr(stream, part).tolist() == getattr(second[name], part).tolist()
    # the content counts, not where it is
    moved = path.rename(tmp_path / "elsewhere.txt")
    assert streams.cached(corpus(moved), again, rule)["train"].tokens.tolist() == first["train"].tokens.tolist()


def test_the_cache_holds_what_fits_into_memory_would(tmp_path: Path) -> None:
    """To the last separator."""
    made = documents(9)
    found = streams.cached(corpus(write_corpus(tmp_path / "text.txt", made)), Encoder(wordpiece()), None)["train"]
    for part in ("tokens", "texts", "documents"):
        assert getattr(found, part).tolist() == getattr(stream_of(made), part).tolist()


def test_whatever_changes_the_tokens_makes_another_entry(tmp_path: Path, cache: Path) -> None:
    path = write_corpus(tmp_path / "text.txt", documents(20))
    rule = HeldOut.share(0.2, run=1, seed=1)
    streams.cached(corpus(path), Encoder(wordpiece()), rule)
    count = 1
    for other in (
        lambda: streams.cached(corpus(path), Encoder(wordpiece()), HeldOut.share(0.2, run=1, seed=2)),
        lambda: streams.cached(corpus(path), Encoder(wordpiece()), None),
        lambda: streams.cached(corpus(path), Encoder(wordpiece(), sentences=True), rule),
        lambda: streams.cached(corpus(path), Encoder(byte_bpe()), rule),
        lambda: streams.cached(corpus(path), Encoder(byte_bpe(), joined=False), rule),
        lambda: streams.cached(corpus(write_corpus(path, documents(21))), Encoder(wordpiece()), rule),
    ):
        other()
        count += 1
        assert len(list((cache / "streams").iterdir())) == count
    # lines and blocks of a WordPiece are the same tokens
    streams.cached(corpus(path), Encoder(wordpiece(), joined=False), rule)
    assert len(list((cache / "streams").iterdir())) == count


def test_an_interrupted_encoding_leaves_no_entry(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_corpus(tmp_path / "text.txt", documents(20))
    encoder = Encoder(wordpiece())
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "ids", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            streams.cached(corpus(path), encoder, None)
    assert list((cache / "streams").iterdir()) == []
    assert len(streams.cached(corpus(path), encoder, None)["train"].tokens) > 100


def test_compressed_and_plain_give_the_same_stream(tmp_path: Path) -> None:
    path = write_corpus(tmp_path / "text.txt", documents(5))
    packed = tmp_path / "text.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    one, two = (streams.cached(corpus(file), Encoder(wordpiece()), None)["train"] for file in (path, packed))
    assert one.tokens.tolist() == two.tokens.tolist()


def test_standard_input_goes_into_memory(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    from nlpkit.pretraining.text import token_streams

    made = documents(10)
    text = "\n\n".join("\n".join(document) for document in made)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    rule = HeldOut.share(0.25, run=1, seed=0)
    found = token_streams(corpus("-"), Encoder(wordpiece()), rule)
    lines = [line for document in made for line in document]
    held = [token for ids in plain([line for i, line in enumerate(lines) if i in rule]) for token in ids]
    assert [t for t in found["validation"].tokens.tolist() if t != SEP] == held
    kept = [token for ids in plain([line for i, line in enumerate(lines) if i not in rule]) for token in ids]
    assert [t for t in found["train"].tokens.tolist() if t != SEP] == kept
    assert not cache.exists()


# --- streaming ---


LINES = 3000  # three batches of the reader
BATCH = 7


@pytest.fixture(scope="module")
def long_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of four tokens, each another combination: a row tells where it comes from."""
    path = tmp_path_factory.mktemp("long") / "text.txt"
    words = [word for word in wordpiece().vocab if word.isalpha() and word.islower() and len(word) > 1]
    n = len(words)
    with path.open("w") as file:
        for i in range(LINES):
            file.write(
                f"{words[i % n]} {words[i // n % n]} {words[i // n**2 % n]} film\n" + ("\n" if i % 9 == 8 else "")
            )
    return path


def streamed(path: Path, cut: Any = None, held_out: HeldOut | None = None, **changes: Any) -> StreamedRows:
    cut = cut or (lambda stream, first: Lines(stream, wordpiece(), 12, first))
    settings: dict[str, Any] = {"batch": BATCH, "seed": 3, "grouped": False, "window": 2000, **changes}
    return StreamedRows(corpus(path), Encoder(wordpiece()), held_out, cut, **settings)


def key(row: TokenRow) -> tuple[Any, ...]:
    return (tuple(row.ids.tolist()), row.number, row.epoch)


def contents(rows: Iterator[TokenRow], count: int) -> list[tuple[int, ...]]:
    return [tuple(row.ids.tolist()) for row in islice(rows, count)]


def test_a_pass_covers_the_corpus_once_and_the_next_one_in_another_order(long_corpus: Path) -> None:
    """But for the rows of each of the three windows that fill no batch."""
    by_pass: dict[int, list[tuple[int, ...]]] = {}
    for row in streamed(long_corpus):
        if row.epoch == 3:
            break
        by_pass.setdefault(row.epoch, []).append(tuple(row.ids.tolist()))
    everything = {(2, *ids, 3) for ids in plain(long_corpus.read_text().split("\n")) if ids}
    assert len(everything) == LINES
    for rows in by_pass.values():
        assert len(rows) % BATCH == 0
        assert len(rows) == len(set(rows)) > LINES - 3 * BATCH
        assert set(rows) <= everything
    assert set(by_pass[0]) | set(by_pass[1]) | set(by_pass[2]) == everything
    assert by_pass[0][:500] != by_pass[1][:500]
    assert len(set(by_pass[0][:300]) & set(by_pass[1][:300])) < 150
    # shuffled within a window, not only between them
    assert sorted(by_pass[0][:300]) != sorted((2, *ids, 3) for ids in plain(long_corpus.read_text().split("\n")[:300]))


def test_held_out_texts_are_not_streamed(long_corpus: Path) -> None:
    rule = HeldOut.share(0.25, run=1, seed=2)
    lines = [line for line in long_corpus.read_text().split("\n") if line]
    held = {(2, *ids, 3) for ids in plain([line for i, line in enumerate(lines) if i in rule])}
    seen = set(contents(iter(streamed(long_corpus, held_out=rule)), 2300))  # more than a pass
    assert len(held) == LINES / 4
    assert not seen & held
    assert len(seen) > 2200


KINDS = {
    "lines": lambda stream, first: Lines(stream, wordpiece(), 12, first),
    "blocks": lambda stream, first: Blocks(stream, wordpiece(), 16, first),
    "pairs": lambda stream, first: Pairs(stream, wordpiece(), 24, first, kind="next", seed=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("grouped", [False, True])
def test_resuming_goes_on_with_the_very_next_row(kind: str, grouped: bool, long_corpus: Path) -> None:
    """From any step, with a loader that has read ahead, into the second pass."""
    whole = streamed(long_corpus, KINDS[kind], grouped=grouped)
    iterator = iter(whole)
    expected: list[tuple[Any, ...]] = []
    positions: dict[int, Position] = {}
    step = 0
    while not expected or expected[-1][2] < 2:
        expected += [key(row) for row in islice(iterator, BATCH)]
        if len(expected) >= BATCH * (step + 3):  # two batches ahead of the model
            step += 1
            positions[step * BATCH] = whole.position_of(step * BATCH)
    starts = sorted({position.row for position in positions.values()})
    assert len(starts) >= 4  # windows
    near = {row + shift for row in starts for shift in (-BATCH, 0, BATCH)} | {BATCH, 30 * BATCH}
    for consumed in sorted(near & positions.keys()):
        resumed = streamed(long_corpus, KINDS[kind], grouped=grouped)
        resumed.resume(positions[consumed], consumed)
        count = min(3 * BATCH, len(expected) - consumed)
        assert [key(row) for row in islice(resumed, count)] == expected[consumed : consumed + count], consumed
    # and again from a resumed one, which knows only the windows that it has seen
    consumed = max(positions) - 4 * BATCH
    resumed = streamed(long_corpus, KINDS[kind], grouped=grouped)
    resumed.resume(positions[consumed], consumed)
    list(islice(resumed, 2 * BATCH))
    third = streamed(long_corpus, KINDS[kind], grouped=grouped)
    third.resume(resumed.position_of(consumed + BATCH), consumed + BATCH)
    assert [key(row) for row in islice(third, BATCH)] == expected[consumed + BATCH : consumed + 2 * BATCH]


@pytest.mark.slow
def test_resuming_without_having_read_ahead(long_corpus: Path) -> None:
    """At the end of a window, of a pass, and where the last window of a pass gives no row at all."""

    def cut(stream: Any, first: int) -> Blocks:
        # blocks of most of a window: the third, smaller one has none
        return Blocks(stream, wordpiece(), 1500, first)

    expected = [key(row) for row in islice(streamed(long_corpus, cut, batch=1, window=5000), 12)]
    assert len({row[2] for row in expected}) > 1
    for consumed in range(1, 11):
        first = streamed(long_corpus, cut, batch=1, window=5000)
        list(islice(first, consumed))
        resumed = streamed(long_corpus, cut, batch=1, window=5000)
        resumed.resume(first.position_of(consumed), consumed)
        assert [key(row) for row in islice(resumed, 12 - consumed)] == expected[consumed:]


def test_a_window_with_a_single_passage_does_not_end_the_run(tmp_path: Path) -> None:
    """Next-sentence pairs need two; the last lines of a corpus may be one."""
    path = tmp_path / "text.txt"
    path.write_text("\n".join(["the film was great and very warm", "my room was cold"] * 500 + ["a last line here"]))

    def cut(stream: Any, first: int) -> Pairs:
        return Pairs(stream, wordpiece(), 24, first, kind="next", seed=1)

    rows = list(islice(streamed(path, cut, window=1000), 2000))
    assert {row.epoch for row in rows} >= {0, 1}


def test_a_row_has_the_same_number_in_each_pass(long_corpus: Path) -> None:
    """Static masking goes by it."""
    numbers: dict[tuple[int, ...], set[int]] = {}
    for row in streamed(long_corpus):
        if row.epoch == 2:
            break
        numbers.setdefault(tuple(row.ids.tolist()), set()).add(row.number)
    assert {len(found) for found in numbers.values()} == {1}


def test_a_corpus_without_a_row_says_so(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the film\nthe shop\n")
    rows = streamed(path, lambda stream, first: Blocks(stream, wordpiece(), 64, first))
    with pytest.raises(UserError) as error:
        next(iter(rows))
    assert error.value.message == "the corpus gives no row to train on"
