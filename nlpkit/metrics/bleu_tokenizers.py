"""How BLEU parts texts into words: the ways of sacrebleu that need nothing from the network."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from nlpkit.errors import UserError

INSTALL = "pip install 'nlpkit[generate]'"
DEFAULT = "13a"  # that of WMT, and sacrebleu's own
TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores101", "flores200", "none")
DICTIONARIES = {"ja-mecab": "ja", "ko-mecab": "ko"}  # extras of sacrebleu
MODELS = {"flores101": "sacrebleu_tokenizer_spm.model", "flores200": "flores200sacrebleuspm"}  # that sacrebleu fetches

KANA = ("HIRAGANA", "KATAKANA")  # how the names of letters begin
HAN = ("CJK",)
RUNS = ("THAI", "LAO", "KHMER", "MYANMAR")
MANY = 0.05  # share of the pieces between blanks that hold such letters, from which on a tokenizer for them is taken


def fitting(references: Sequence[Sequence[str]]) -> tuple[str, str | None]:
    """The tokenizer for the script of texts, and what is to be said of it; None of the default.

    Args:
        references: for each row one text or more.
    """
    pieces = [piece for texts in references for text in texts for piece in text.split()]
    foreign = [piece for piece in pieces if not piece.isascii()]

    def many(script: tuple[str, ...]) -> bool:
        there = sum(any(unicodedata.name(letter, "").startswith(script) for letter in piece) for piece in foreign)
        return there >= MANY * len(pieces)

    if many(KANA):
        try:
            require("ja-mecab")
        except UserError as error:
            return "char", f"BLEU of Japanese by characters, as words need a dictionary ({error.hint})"
        return "ja-mecab", "BLEU of Japanese by the words of the tokenizer ja-mecab"
    if many(HAN):
        return "zh", "BLEU of Chinese by the tokenizer zh, a character a word"
    if many(RUNS):
        return "char", "BLEU by characters, as the script has no blanks between words"
    return DEFAULT, None


def require(name: str = DEFAULT) -> None:
    """Raises UserError: sacrebleu, or what this way of it needs, is not here."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.utils import SACREBLEU_DIR
    except ImportError as error:
        raise UserError(f"BLEU, chrF and TER need sacrebleu: {error}", INSTALL) from None
    if name not in TOKENIZERS:
        raise UserError(f"BLEU has no tokenizer {name}", f"It has: {', '.join(TOKENIZERS)}")
    if name in MODELS:
        model = Path(os.fspath(SACREBLEU_DIR)) / "models" / MODELS[name]
        if not model.exists():
            raise UserError(
                f"the BLEU tokenizer {name} needs a file that sacrebleu fetches, and nlpkit does not: {model}",
                f"Where there is a network, sacrebleu --tokenize {name} fetches it once.",
            )
    try:
        BLEU(tokenize=name)
    except (ImportError, RuntimeError) as error:
        missing = f"sacrebleu[{DICTIONARIES[name]}]" if name in DICTIONARIES else "sentencepiece"
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"the BLEU tokenizer {name} is not there: {reason}", f"pip install '{missing}'") from None
