"""Show how tokenizers cut texts, side by side. Prints the pieces and their counts.

For each text: its pieces, in colour on a terminal; then word by word the pieces of each tokenizer with their ids and
their place in the text, and which words are whole; then the counts.

Examples: nlpkit tokenize "Unbelievable tokenizers" --tokenizer runs/tokenizer --tokenizer bert-base-uncased
nlpkit tokenize "An example" --tokenizer roberta-base --json
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlpkit.data.typed import require_texts
from nlpkit.errors import UserError
from nlpkit.options import Config as BaseConfig
from nlpkit.options import Strings, option
from nlpkit.reporting import Cell, Pieces, Report, Table
from nlpkit.tokenization.quality import WORD

COMMAND = "tokenize"
ESSENTIAL: tuple[str, ...] = ("texts", "tokenizer", "special_tokens")
UNIT = re.compile(r"\w+|[^\w\s]+")  # a word, or signs between words


class Config(BaseConfig):
    """Options of `nlpkit tokenize`."""

    texts: Strings = option([], "Texts to cut.", panel="Input", metavar="TEXT", positional=True)
    tokenizer: Strings = option(
        [], "Folder or hub name of a tokenizer (repeatable).", panel="Model", metavar="PATH|NAME"
    )
    special_tokens: bool = option(False, "Show the special tokens that a model gets too.", panel="Output")


@dataclass(frozen=True)
class Piece:
    """A token of a text: how it is written in the vocabulary, its id, and the characters start:end it stands for."""

    piece: str
    id: int
    start: int
    end: int


@dataclass(frozen=True)
class TokenizedText:
    """A text as one tokenizer cuts it.

    Attributes:
        words: for each word the numbers of its pieces.
        unknown: id of the unknown token.
    """

    name: str
    pieces: list[Piece]
    words: list[list[int]]
    unknown: int | None

    def whole(self, word: int) -> bool:
        """Whether a word is one token of the vocabulary."""
        own = self.words[word]
        return len(own) == 1 and self.pieces[own[0]].id != self.unknown


def run(config: Config) -> Report:
    """Cut every text with every tokenizer."""
    from nlpkit.tokenization.saving import distinct_names, open_tokenizer

    if not config.texts:
        raise UserError("give a TEXT")
    require_texts(config.texts, 'Its text: nlpkit tokenize "$(cat FILE)" ...; it is cut as a whole.')
    if not config.tokenizer:
        raise UserError("--tokenizer is required", "Name one or more: a folder, a hub name, minilm.")
    opened = [open_tokenizer(name, "--tokenizer") for name in config.tokenizer]
    tokenizers = list(zip(distinct_names(config.tokenizer), opened, strict=True))
    tables: list[Table] = []
    texts = []
    for text in config.texts:
        words = [(match.start(), match.end()) for match in UNIT.finditer(text)]
        cuts = [cut(name, tokenizer, text, words, config.special_tokens) for name, tokenizer in tokenizers]
        tables += [_overview(text, words, cuts), _word_by_word(text, words, cuts)]
        texts.append({"text": text, "tokenizers": [_record(text, words, one) for one in cuts]})
    return Report({"texts": texts}, tables)


def cut(name: str, tokenizer: Any, text: str, words: Sequence[tuple[int, int]], special_tokens: bool) -> TokenizedText:
    """Cut a text; a piece belongs to the first of `words` (start and end, ascending) that it overlaps."""
    encoded = tokenizer(text, add_special_tokens=special_tokens, return_offsets_mapping=True, verbose=False)
    ids = encoded["input_ids"]
    written = tokenizer.convert_ids_to_tokens(ids)
    pieces = [
        Piece(piece, number, start, end)
        for piece, number, (start, end) in zip(written, ids, encoded["offset_mapping"], strict=True)
    ]
    own: list[list[int]] = [[] for _ in words]
    for i, piece in enumerate(pieces):
        word = next((w for w, (start, end) in enumerate(words) if start < piece.end and end > piece.start), None)
        if word is not None and piece.start < piece.end:
            own[word].append(i)
    return TokenizedText(name, pieces, own, tokenizer.unk_token_id)


def _overview(text: str, words: Sequence[tuple[int, int]], cuts: list[TokenizedText]) -> Table:
    numbers = [number for number, (start, _) in enumerate(words) if WORD.match(text, start)]
    header = ["tokenizer", "tokens", "words whole", "characters per token", "pieces"]
    rows: list[list[Cell]] = []
    for one in cuts:
        whole = sum(one.whole(number) for number in numbers)
        rate = len(text) / len(one.pieces) if one.pieces else None
        shown = Pieces([printable(piece.piece) for piece in one.pieces])
        rows.append([one.name, len(one.pieces), f"{whole} of {len(numbers)}", rate, shown])
    return Table(printable(text), header, rows)


def _word_by_word(text: str, words: Sequence[tuple[int, int]], cuts: list[TokenizedText]) -> Table:
    """One row a piece; the pieces of a word side by side, and those of no word (blanks, special tokens) between."""
    header = ["word", *itertools.chain.from_iterable((one.name, "id", "place", "whole") for one in cuts)]
    groups = [_in_groups(one) for one in cuts]
    rows: list[list[Cell]] = []
    for number in range(2 * len(words) + 1):  # even: what stands before a word; odd: the word
        word = number // 2 if number % 2 else None
        name = "" if word is None else printable(text[slice(*words[word])])
        for line in range(max(len(group[number]) for group in groups)):
            row: list[Cell] = [name if line == 0 else ""]
            for one, group in zip(cuts, groups, strict=True):
                if line >= len(group[number]):
                    row += ["", "", "", ""]
                    continue
                piece = one.pieces[group[number][line]]
                whole = ""
                if word is not None and line == 0:
                    whole = "yes" if one.whole(word) else "no"
                row += [printable(piece.piece), piece.id, f"{piece.start}-{piece.end}", whole]
            rows.append(row)
    return Table("word by word", header, rows)


def _in_groups(one: TokenizedText) -> list[list[int]]:
    """Numbers of pieces: before the first word, of the first word, before the second, ..., behind the last."""
    groups: list[list[int]] = [[] for _ in range(2 * len(one.words) + 1)]
    of_word = {piece: word for word, pieces in enumerate(one.words) for piece in pieces}
    place = 0
    for i in range(len(one.pieces)):
        place = 2 * of_word[i] + 1 if i in of_word else place + place % 2
        groups[place].append(i)
    return groups


def _record(text: str, words: Sequence[tuple[int, int]], one: TokenizedText) -> dict[str, Any]:
    return {
        "tokenizer": one.name,
        "tokens": len(one.pieces),
        "pieces": [vars(piece) for piece in one.pieces],
        "words": [
            {"word": text[start:end], "start": start, "end": end, "pieces": own, "whole": one.whole(number)}
            for number, ((start, end), own) in enumerate(zip(words, one.words, strict=True))
        ],
    }


def printable(text: str) -> str:
    """The text with control characters written out, as they would move the cursor or change colours."""
    return "".join(c if c.isprintable() or c == "\u200d" else c.encode("unicode_escape").decode() for c in text)
