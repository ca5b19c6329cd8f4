"""Which tokens are predicted, and what the model sees in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pretraining_runs import byte_bpe, documents, stream_of, wordpiece, words_of

from nlpkit.errors import UserError
from nlpkit.pretraining.batches import MaskingCollator
from nlpkit.pretraining.rows import Blocks, Lines
from nlpkit.tasks.masked_lm.masking import Masking, masking_for


def masking(tokenizer: Any = None, **changes: Any) -> Masking:
    settings: dict[str, Any] = {"probability": 0.15, "split": [0.8, 0.1], "whole_word": False, "static": False}
    return masking_for(tokenizer or wordpiece(), **{**settings, "seed": 1, **changes})


def some_ids(rows: int, length: int, tokenizer: Any = None, seed: int = 0) -> np.ndarray:
    """[CLS] ... [SEP] and padding of different lengths, with a separator and an unknown word in the middle."""
    tokenizer = tokenizer or wordpiece()
    rng = np.random.default_rng(seed)
    special = tokenizer.all_special_ids
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), special)
    ids = rng.choice(ordinary, size=(rows, length))
    ids[:, 0] = tokenizer.cls_token_id
    ids[:, length // 2] = tokenizer.sep_token_id
    ids[:, length // 2 + 1] = tokenizer.unk_token_id
    for row, end in enumerate(rng.integers(length // 2 + 2, length + 1, size=rows)):
        ids[row, end - 1] = tokenizer.sep_token_id
        ids[row, end:] = tokenizer.pad_token_id
    return ids


def predicted(found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[set[int]]:
    _, positions, labels = found
    return [
        {int(p) for p, label in zip(*row, strict=True) if label != -100} for row in zip(positions, labels, strict=True)
    ]


@pytest.mark.parametrize("probability", [0.05, 0.15, 0.4])
def test_each_row_gives_exactly_its_share(probability: float) -> None:
    ids = some_ids(60, 40)
    free = (~np.isin(ids, wordpiece().all_special_ids)).sum(1)
    found = masking(probability=probability)(ids, np.arange(60), 0)
    assert [len(row) for row in predicted(found)] == [max(round(n * probability), 1) for n in free.tolist()]


def test_special_tokens_and_padding_are_never_predicted_nor_drawn() -> None:
    ids = some_ids(200, 30)
    special = wordpiece().all_special_ids
    corrupted, _, labels = masking(probability=0.9, split=[0.0, 1.0])(ids, np.arange(200), 0)
    used = labels != -100
    assert not np.isin(labels[used], special).any()
    fixed = np.isin(ids, special)
    assert (corrupted[fixed] == ids[fixed]).all()
    assert not np.isin(corrupted[~fixed], special).any()
    assert set(corrupted[~fixed].tolist()) == set(range(len(wordpiece()))) - set(special)  # every other one is drawn


def test_labels_are_the_original_ids_and_nothing_else_changes() -> None:
    ids = some_ids(100, 40)
    corrupted, positions, labels = masking()(ids, np.arange(100), 0)
    for row in range(100):
        places = positions[row][labels[row] != -100]
        assert len(set(places.tolist())) == len(places)
        assert (labels[row][labels[row] != -100] == ids[row][places]).all()
        others = np.setdiff1d(np.arange(40), places)
        assert (corrupted[row][others] == ids[row][others]).all()


@pytest.mark.parametrize(("mask", "random"), [(0.8, 0.1), (0.5, 0.5), (0.0, 0.0), (1.0, 0.0)])
def test_split_of_mask_random_and_unchanged(mask: float, random: float) -> None:
    ids = some_ids(2000, 64)
    corrupted, positions, labels = masking(split=[mask, random])(ids, np.arange(2000), 0)
    used = labels != -100
    shown = np.take_along_axis(corrupted, positions, axis=1)[used]
    count = int(used.sum())
    assert count > 10_000
    ordinary = len(wordpiece()) - len(wordpiece().all_special_ids)
    masked = int((shown == wordpiece().mask_token_id).sum())
    kept = int((shown == labels[used]).sum())
    # a random token is the right one once in a while
    for seen, share in ((masked, mask), (kept, 1 - mask - random + random / ordinary)):
        spread = 4 * (count * share * (1 - share)) ** 0.5
        assert abs(seen - count * share) <= spread, (seen / count, share)


def test_every_position_has_the_same_chance() -> None:
    ids = np.full((6000, 20), 10)
    times = np.zeros(20)
    for row in predicted(masking(probability=0.3)(ids, np.arange(6000), 0)):
        times[list(row)] += 1
    assert np.abs(times / 6000 - 0.3).max() < 4 * (0.3 * 0.7 / 6000) ** 0.5


def test_dynamic_masks_change_with_the_epoch_and_static_ones_do_not() -> None:
    ids = some_ids(50, 40)
    for static in (False, True):
        first, second = (masking(static=static)(ids, np.arange(50), epoch) for epoch in (0, 1))
        same = [a == b for a, b in zip(predicted(first), predicted(second), strict=True)]
        assert sum(same) == 50 if static else sum(same) < 5
        assert (first[0] == second[0]).all() == static


def test_a_seed_gives_other_masks() -> None:
    ids = some_ids(50, 40)
    assert predicted(masking(seed=1)(ids, np.arange(50), 0)) != predicted(masking(seed=2)(ids, np.arange(50), 0))


@pytest.mark.parametrize("whole_word", [False, True])
def test_a_row_is_masked_alike_in_any_batch(whole_word: bool) -> None:
    """Alone, among others, in another order, padded to another width."""
    rows = Lines(stream_of(documents(12)), wordpiece(), 24)
    collate = MaskingCollator(masking(whole_word=whole_word), pad_id=0, type_ids=True)
    chosen = [rows[i] for i in range(20)]
    together = collate(chosen[::-1])
    for i, row in enumerate(chosen):
        alone = collate([row])
        n = len(row.ids)
        j = 19 - i
        assert alone["input_ids"][0].tolist() == together["input_ids"][j, :n].tolist()
        assert together["input_ids"][j, n:].tolist() == [0] * (together["input_ids"].shape[1] - n)
        pairs = [
            {tuple(pair) for pair in np.stack([b["positions"][k], b["labels"][k]], axis=1).tolist() if pair[1] != -100}
            for b, k in ((alone, 0), (together, j))
        ]
        assert pairs[0] == pairs[1]


def test_rows_without_a_free_token_predict_nothing() -> None:
    ids = np.array([[2, 3, 0, 0], [2, 10, 11, 3]])
    for whole in (False, True):
        _, positions, labels = masking(whole_word=whole)(ids, np.arange(2), 0)
        assert [len(row) for row in predicted((ids, positions, labels))] == [0, 1]
    nothing = masking()(ids[:1], np.arange(1), 0)
    assert nothing[2].shape == (1, 1)
    assert nothing[2].tolist() == [[-100]]


# --- whole words ---


@pytest.mark.parametrize("tokenizer", [wordpiece, byte_bpe], ids=["wordpiece", "byte-bpe"])
def test_whole_words_are_masked_or_left_whole(tokenizer: Any) -> None:
    made = [[" ".join(line.replace("the", "theory").replace("was", "washed") for line in doc)] for doc in documents(60)]
    rows = Blocks(stream_of(made, tokenizer()), tokenizer(), 48)
    ids = np.stack([rows[i].ids for i in range(len(rows))])
    chosen = predicted(masking(tokenizer(), whole_word=True)(ids, np.arange(len(ids)), 0))
    longest = 0
    share = []
    for row, places in zip(ids, chosen, strict=True):
        words = words_of(tokenizer(), row)
        longest = max(longest, *map(len, words))
        for word in words:
            assert len(places & set(word)) in (0, len(word)), tokenizer().convert_ids_to_tokens(row)
        free = sum(map(len, words))
        # the nearest end of a word: no further from the budget than half of a word
        assert abs(len(places) - round(0.15 * free)) <= longest / 2
        share.append(len(places) / free)
    assert longest > 2
    assert np.mean(share) == pytest.approx(0.15, abs=0.01)


def test_whole_words_of_a_byte_level_vocabulary_that_has_hash_signs() -> None:
    """RoBERTa's has `##` as a token; it is no sign of WordPiece."""
    from nlpkit.tasks.masked_lm.masking import word_starts

    class Tokenizer:
        tokens = ("<s>", "<pad>", "</s>", "##", "Ġthe", "Ġtheo", "ry", "s")
        all_special_ids = (0, 1, 2)

        def __len__(self) -> int:
            return len(self.tokens)

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return [self.tokens[i] for i in ids]

    assert word_starts(Tokenizer()).tolist() == [True, True, True, False, True, True, False, False]


def test_whole_words_need_a_tokenizer_that_marks_them() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5}, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    with pytest.raises(UserError) as error:
        masking(tokenizer, whole_word=True)
    assert "--whole-word-masking: this tokenizer does not mark where words start" in error.value.message
    assert masking(tokenizer).word_starts is None
