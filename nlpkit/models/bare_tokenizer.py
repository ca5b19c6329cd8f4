"""A fast tokenizer without transformers: the tokenizers library, called as tasks call those of transformers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from nlpkit.errors import UserError, first_line
from nlpkit.models.opening import DAMAGED
from nlpkit.runs.records import Part

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

STRATEGIES = {True: "longest_first", "longest_first": "longest_first", "only_first": "only_first",
              "only_second": "only_second"}  # fmt: skip
# what transformers takes out of decoded text, one after the other
CLEANED = ((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
           (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"))  # fmt: skip


class TokenizerFacts(Part):
    """Of a tokenizer, besides its tokenizer.json."""

    tokens: dict[str, str | None]
    """The special tokens, by what they are for."""
    ids: dict[str, int | None]
    """Their ids."""
    special_ids: list[int]
    """The ids of all special tokens."""
    model_input_names: list[str]
    """What it gives a model."""
    model_max_length: int | float
    """Tokens that it says a model takes."""
    padding_side: Literal["left", "right"]
    """Where it pads."""
    truncation_side: Literal["left", "right"]
    """Where it cuts."""
    pad_token_type_id: int
    """The token type of padding."""
    cleans_up: bool
    """Whether blanks before punctuation are taken out of decoded text."""


class Encoded(dict[str, Any]):
    """Token ids and what belongs to them, by name; of one text without the rows.

    Args:
        values: by name.
        encodings: that they come from.
    """

    def __init__(self, values: dict[str, Any], encodings: Sequence[Encoding]) -> None:
        super().__init__(values)
        self.encodings = encodings

    def sequence_ids(self, row: int = 0) -> list[int | None]:
        """For each token which of the two texts of a pair it is of; None of a special one."""
        return list(self.encodings[row].sequence_ids)


class BareTokenizer:
    """See the module's docstring. It may be called from several threads.

    Args:
        backend: of the tokenizers library; it belongs to this from now on.
        facts: what transformers would read elsewhere.
    """

    is_fast = True

    def __init__(self, backend: Tokenizer, facts: TokenizerFacts) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend_tokenizer = backend
        self.padding_side: str = facts.padding_side
        self.truncation_side: str = facts.truncation_side
        self.model_max_length = facts.model_max_length
        self.model_input_names = list(facts.model_input_names)
        self.pad_token_type_id = facts.pad_token_type_id
        self.all_special_ids = list(facts.special_ids)
        self._tokens, self._ids, self._cleans_up = facts.tokens, facts.ids, facts.cleans_up
        self._lock = threading.Lock()  # truncation is a setting of the backend

    @classmethod
    def open(cls, path: Path, facts: TokenizerFacts) -> Self:
        """Of a tokenizer.json.

        Raises:
            UserError: it cannot be read.
        """
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_file(str(path)), facts)
        except Exception as error:  # the library has no classes of its own
            raise UserError(f"{path} cannot be opened: {first_line(error)}", DAMAGED) from error

    def __getattr__(self, name: str) -> Any:
        """`mask_token`, `mask_token_id`, and those of the other special tokens."""
        kind, _, rest = name.partition("_token")
        known = {"": "_tokens", "_id": "_ids"}.get(rest)
        if known is None or name.startswith("_") or kind not in self.__dict__[known]:
            raise AttributeError(f"a tokenizer without transformers has no {name}")
        return self.__dict__[known][kind]

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size(with_added_tokens=True))

    def get_vocab(self) -> dict[str, int]:
        """Token -> id."""
        return self.backend_tokenizer.get_vocab(with_added_tokens=True)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Special tokens beside those of a text, or of a pair."""
        return int(self.backend_tokenizer.num_special_tokens_to_add(pair))

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> Any:
        """The token of an id, or those of several."""
        if isinstance(ids, int):
            return self.backend_tokenizer.id_to_token(ids)
        return [self.backend_tokenizer.id_to_token(int(i)) for i in ids]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of token ids."""
        text = self.backend_tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens)
        for blank, without in CLEANED if self._cleans_up else ():
            text = text.replace(blank, without)
        return text

    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: bool | str = False,
        max_length: int | None = None,
        stride: int = 0,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        verbose: bool = True,
    ) -> Encoded:
        """Texts, or pairs of texts, to token ids, without padding.

        Args:
            text: one, or several.
            text_pair: the second of each pair.
            truncation: which text of a pair is cut to `max_length`: "only_first", "only_second"; True cuts the longer.
            max_length: tokens, special ones included; it is given where anything is cut.
            stride: tokens that what was cut off shares with what is before it.
            return_overflowing_tokens: whether what was cut off comes in rows behind that of its text.
            verbose: as transformers takes it; nothing is said here.
        """
        single = isinstance(text, str)
        given: Any
        if single:
            given = [(text, text_pair)] if text_pair else [text]
        else:
            given = list(text) if text_pair is None else list(zip(text, text_pair, strict=True))
        encodings = self._encoded(given, add_special_tokens, truncation, max_length, stride)
        rows: list[Encoding] = []
        owners: list[int] = []
        for owner, first in enumerate(encodings):
            parts = [first, *first.overflowing] if return_overflowing_tokens else [first]
            rows += parts
            owners += [owner] * len(parts)
        names = self.model_input_names
        wanted = {
            "input_ids": ("ids", True),
            "token_type_ids": ("type_ids", _or(return_token_type_ids, "token_type_ids" in names)),
            "attention_mask": ("attention_mask", _or(return_attention_mask, "attention_mask" in names)),
            "special_tokens_mask": ("special_tokens_mask", return_special_tokens_mask),
            "offset_mapping": ("offsets", return_offsets_mapping),
        }
        values = {
            name: [getattr(row, attribute) for row in rows] for name, (attribute, asked) in wanted.items() if asked
        }
        if return_overflowing_tokens:
            return Encoded({**values, "overflow_to_sample_mapping": owners}, rows)
        return Encoded({name: of_row for name, (of_row,) in values.items()} if single else values, rows)

    def _encoded(
        self, given: Any, add_special_tokens: bool, truncation: bool | str, max_length: int | None, stride: int
    ) -> list[Encoding]:
        backend = self.backend_tokenizer
        if not truncation:
            with self._lock:
                if backend.truncation is not None:
                    backend.no_truncation()
                return list(backend.encode_batch(given, add_special_tokens=add_special_tokens))
        cut: dict[str, Any] = {
            "max_length": max_length,
            "stride": stride,
            "strategy": STRATEGIES[truncation],
            "direction": self.truncation_side,
        }
        with self._lock:
            if backend.truncation != cut:
                backend.enable_truncation(**cut)
            return list(backend.encode_batch(given, add_special_tokens=add_special_tokens))


def _or(asked: bool | None, usual: bool) -> bool:
    return usual if asked is None else asked
