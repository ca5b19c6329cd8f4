"""A token stream cut into blocks, lines, pairs and translations: nothing lost, nothing twice, labels that are true."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pretraining_runs import byte_bpe, documents, stream_of, texts, wordpiece

from nlpkit.pretraining.rows import Blocks, Lines, Pairs, TokenRow, Translations
from nlpkit.pretraining.streams import TokenStream

CLS, SEP = 2, 3


def numbered(lengths: list[list[int]]) -> TokenStream:
    """A stream in which each token is another number (from 10), by tokens a text in each document."""
    tokens: list[int] = []
    starts, begins = [], []
    for document in lengths:
        begins.append(len(starts))
        for length in document:
            starts.append(len(tokens))
            tokens += range(10 + len(tokens), 10 + len(tokens) + length)
        tokens.append(SEP)
    return TokenStream(np.array(tokens, dtype=np.int32), np.array([*starts, len(tokens)]), np.array(begins))


def all_rows(rows: Any) -> list[TokenRow]:
    return [rows[i] for i in range(len(rows))]


def inside(ids: np.ndarray) -> list[int]:
    """Without the special tokens of the row's frame."""
    assert ids[0] == CLS
    assert ids[-1] == SEP
    return ids[1:-1].tolist()


# --- blocks ---


@pytest.mark.parametrize("length", [8, 13, 32])
def test_blocks_are_full_and_hold_every_token_once(length: int) -> None:
    stream = stream_of(documents(20))
    rows = Blocks(stream, wordpiece(), length)
    assert {len(row.ids) for row in all_rows(rows)} == {length} == set(rows.lengths.tolist())
    seen = [token for row in all_rows(rows) for token in inside(row.ids)]
    assert seen == stream.tokens[: len(seen)].tolist()
    assert 0 <= len(stream.tokens) - len(seen) < length - 2
    assert 0 not in seen  # padding


def test_documents_of_a_block_are_told_apart_where_they_begin() -> None:
    stream = numbered([[4, 3], [5], [20], [2]])
    rows = all_rows(Blocks(stream, wordpiece(), 12))
    #            [CLS] and the first document with its separator, then the second
    assert rows[0].documents is not None
    assert rows[0].documents.tolist() == [0] * 9 + [1] * 3
    assert rows[1].documents is not None
    assert rows[1].documents.tolist() == [0] * 5 + [1] * 7
    assert rows[2].documents is None  # in the midst of the third
    assert [row.documents is None for row in all_rows(Blocks(stream, wordpiece(), 12, isolate=False))] == [True] * 3


def test_a_document_that_begins_with_a_block_shares_it_with_none() -> None:
    rows = all_rows(Blocks(numbered([[9], [9]]), wordpiece(), 12))
    assert [row.documents is None for row in rows] == [True, True]


def test_one_document_needs_no_mask() -> None:
    assert all(row.documents is None for row in all_rows(Blocks(stream_of([texts(40)]), wordpiece(), 16)))


def test_too_little_text_gives_no_block() -> None:
    assert len(Blocks(stream_of([["the film"]]), wordpiece(), 16)) == 0


# --- lines ---


@pytest.mark.parametrize("length", [8, 16, 64])
def test_lines_lose_no_token_and_long_ones_go_on(length: int) -> None:
    made = documents(15)
    made[3][1] = " ".join(texts(20, seed=9))  # a long line
    made[-1][-1] = "film"  # the last line of all has one token
    rows = Lines(stream_of(made, joined=False), wordpiece(), length)
    expected: list[list[int]] = []
    for line in (line for document in made for line in document):
        ids = wordpiece()(line, add_special_tokens=False)["input_ids"]
        expected += [ids[i : i + length - 2] for i in range(0, len(ids), length - 2)]
    found = all_rows(rows)
    assert [inside(row.ids) for row in found] == expected
    assert [len(row.ids) for row in found] == rows.lengths.tolist()
    assert len({row.number for row in found}) == len(found)


def test_a_line_is_what_the_tokenizer_makes_of_it() -> None:
    """Also with a tokenizer to which a blank before a word matters."""
    made = documents(6)
    rows = Lines(stream_of(made, byte_bpe(), joined=False), byte_bpe(), 64)
    expected = [byte_bpe()(line)["input_ids"] for document in made for line in document]
    assert [row.ids.tolist() for row in all_rows(rows)] == expected


# --- pairs ---


def parted(row: TokenRow) -> tuple[list[int], list[int]]:
    """Both segments of a row, by where its separators are, which must agree with what it says of itself."""
    assert row.ids[0] == CLS
    assert row.ids[-1] == SEP
    at = len(row.ids) - row.second - 1
    assert row.ids[at] == SEP
    first, second = row.ids[1:at].tolist(), row.ids[at + 1 : -1].tolist()
    assert first and second
    assert SEP not in first + second
    return first, second


LENGTHS = [[5, 6, 4, 7], [3, 3, 3], [12, 2], [9, 9, 9, 9, 9], [2, 2, 2, 2, 2, 2, 2, 2, 2], [1, 1, 6]]


def test_order_swaps_half_of_the_segments_that_follow_each_other() -> None:
    labels = []
    for epoch in range(30):
        rows = Pairs(numbered(LENGTHS), wordpiece(), 24, kind="order", seed=1)
        rows.set_epoch(epoch)
        for row in all_rows(rows):
            first, second = parted(row)
            labels.append(row.pair_label)
            in_order = second + first if row.pair_label else first + second
            assert in_order == list(range(in_order[0], in_order[0] + len(in_order)))
    assert abs(np.mean(labels) - 0.5) < 4 * 0.5 / len(labels) ** 0.5


def test_next_takes_half_of_the_second_segments_from_another_document() -> None:
    stream = numbered(LENGTHS)
    bounds = stream.document_starts() + 10

    def document(token: int) -> int:
        return int(np.searchsorted(bounds, token, side="right"))

    labels, seen = [], set()
    for epoch in range(150):
        rows = Pairs(stream, wordpiece(), 24, kind="next", seed=1)
        rows.set_epoch(epoch)
        for row in all_rows(rows):
            first, second = parted(row)
            labels.append(row.pair_label)
            for segment in (first, second):
                assert segment == list(range(segment[0], segment[0] + len(segment)))
            if row.pair_label:
                assert document(first[0]) != document(second[0])
                seen.add((document(first[0]), document(second[0])))
            else:
                assert second[0] == first[-1] + 1
    assert abs(np.mean(labels) - 0.5) < 4 * 0.5 / len(labels) ** 0.5
    assert seen == {(a, b) for a in range(1, 7) for b in range(1, 7) if a != b}  # from all others alike


@pytest.mark.parametrize("kind", ["order", "next"])
@pytest.mark.parametrize("length", [8, 16, 40])
def test_pairs_fit_and_are_joined_from_whole_texts(kind: str, length: int) -> None:
    rows = Pairs(numbered(LENGTHS), wordpiece(), length, kind=kind, seed=1)
    assert max(len(row.ids) for row in all_rows(rows)) <= length
    if kind == "order":
        assert [len(row.ids) for row in all_rows(rows)] == rows.lengths.tolist()
    if length == 40:  # nothing is cut: all tokens are there, none twice
        seen = sorted(t for i, row in enumerate(all_rows(rows)) for t in np.concatenate(rows._segments(i)).tolist())
        stream = numbered(LENGTHS)
        assert seen == sorted(t for t in stream.tokens.tolist() if t != SEP)


def test_segments_are_parted_between_texts() -> None:
    stream = numbered([[5, 6, 4, 7]])
    rows = Pairs(stream, wordpiece(), 40, kind="order", seed=1)
    places = set()
    for epoch in range(20):
        rows.set_epoch(epoch)
        first, second = parted(rows[0])
        places.add(max(min(first), min(second)) - 10)
    assert places == {5, 11, 15}


@pytest.mark.parametrize("kind", ["order", "next"])
def test_pairs_change_with_the_epoch_and_come_back(kind: str) -> None:
    rows = Pairs(numbered(LENGTHS * 5), wordpiece(), 24, kind=kind, seed=1)
    first = [row.ids.tolist() for row in all_rows(rows)]
    rows.set_epoch(1)
    assert [row.ids.tolist() for row in all_rows(rows)] != first
    rows.set_epoch(0)
    assert [row.ids.tolist() for row in all_rows(rows)] == first
    other = Pairs(numbered(LENGTHS * 5), wordpiece(), 24, kind=kind, seed=2)
    assert [row.ids.tolist() for row in all_rows(other)] != first


def test_one_document_gives_pairs_too() -> None:
    stream = numbered([[5] * 40])
    rows = Pairs(stream, wordpiece(), 24, kind="next", seed=1)
    labels = [row.pair_label for row in all_rows(rows)]
    assert {0, 1} == set(labels)
    for row in all_rows(rows):
        first, second = parted(row)
        assert (second[0] == first[-1] + 1) == (row.pair_label == 0)


@pytest.mark.parametrize(("made", "kind", "count"), [([[5]], "order", 1), ([[5]], "next", 0), ([[1]], "order", 0)])
def test_pairs_of_next_to_nothing(made: list[list[int]], kind: str, count: int) -> None:
    assert len(Pairs(numbered(made), wordpiece(), 24, kind=kind, seed=1)) == count


def test_token_types_and_special_tokens_of_a_pair() -> None:
    from nlpkit.pretraining.batches import MaskingCollator
    from nlpkit.tasks.masked_lm.masking import masking_for

    masking = masking_for(wordpiece(), probability=0.15, split=[0.8, 0.1], whole_word=False, static=False, seed=1)
    rows = Pairs(stream_of(documents(10)), wordpiece(), 24, kind="order", seed=1)
    chosen = all_rows(rows)[:8]
    assert len({len(row.ids) for row in chosen}) > 1
    batch = MaskingCollator(masking, pad_id=0, type_ids=True)(chosen)
    for i, row in enumerate(chosen):
        first, second = parted(row)
        # as the tokenizer makes it of two texts
        types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
        rest = batch["input_ids"].shape[1] - len(row.ids)
        assert batch["token_type_ids"][i].tolist() == types + [0] * rest
        assert batch["attention_mask"][i].tolist() == [1] * len(row.ids) + [0] * rest
        assert batch["pair_labels"][i] == row.pair_label
    assert "token_type_ids" not in MaskingCollator(masking, pad_id=0, type_ids=False)(chosen)


# --- translations ---


@pytest.mark.parametrize(("a", "b"), [(3, 4), (30, 2), (2, 30), (30, 30), (6, 30), (30, 6), (1, 1)])
def test_both_sides_of_a_translation_are_there(a: int, b: int) -> None:
    source, target = np.arange(100, 100 + a), np.arange(200, 200 + b)
    rows = Translations([(source, target)], wordpiece(), 16)
    first, second = parted(rows[0])
    assert len(rows[0].ids) == rows.lengths[0] == min(a + b, 13) + 3
    # from the beginning of each, the shorter one whole where it takes no more than its half
    assert first == source[: len(first)].tolist()
    assert second == target[: len(second)].tolist()
    if min(a, b) <= 6:
        assert len(first if a < b else second) == min(a, b)
    assert rows[0].pair_label is None


def test_rows_are_numbered_from_where_they_are_told_to() -> None:
    stream = stream_of(documents(10))
    for rows in (
        Blocks(stream, wordpiece(), 16, 500),
        Lines(stream, wordpiece(), 16, 500),
        Pairs(stream, wordpiece(), 16, 500, kind="order", seed=1),
    ):
        numbers = [row.number for row in all_rows(rows)]
        assert numbers[0] == 500
        assert all(b - a == 1 for a, b in pairwise(numbers))
