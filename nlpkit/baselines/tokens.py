"""A tokenizer whose tokens are the words of train: what networks over words read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_WORDS = 50_000  # of a vocabulary
LEAST_COUNT = 2  # of a word that has a vector of its own: the others teach what an unknown word is
SPECIAL = PADDING, UNKNOWN, END = "[PAD]", "[UNK]", "[END]"


def learned(texts: Iterable[str]) -> Any:
    """A fast tokenizer of transformers with the words that occur `LEAST_COUNT` times or more, in lower case.

    Words are cut at blanks and at punctuation, as BERT does before it cuts them into pieces. A token ends each text, so
    that the texts of a pair are told apart and no text is empty.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordLevelTrainer(
        vocab_size=MOST_WORDS, min_frequency=LEAST_COUNT, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, SPECIAL.index(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PADDING, unk_token=UNKNOWN, padding_side="right"
    )
