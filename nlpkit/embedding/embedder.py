"""Texts to vectors, a chunk of rows at a time: equal texts once, long ones as it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nlpkit.data import pieces
from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit
from nlpkit.models import opening
from nlpkit.models.onnx import OnnxModel
from nlpkit.tasks.features import Truncation

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Computed, Predictor
    from nlpkit.reporting import Progress
    from nlpkit.tasks.reading import Reader
    from nlpkit.vectors.made import LongText

T = TypeVar("T")


@dataclass(frozen=True)
class Embedded:
    """The vectors of some rows.

    Attributes:
        vectors: float32, shape (rows, width), a row of NaN where there is none; None where no row has one.
        errors: why a row has none, by its place.
        cut: how many texts have more tokens than the model reads at a time.
        lost: by how many, by the row's place.
        tokens: that the model read.
    """

    vectors: np.ndarray | None
    errors: Mapping[int, str]
    cut: Truncation
    lost: Mapping[int, int]
    tokens: int


@dataclass
class Embedder:
    """Gives vectors of the rows of a user's data.

    Args:
        predictor: of a task whose merged outputs are a vector for each text, shape (examples, texts, width).
        long_text: what becomes of a text with more tokens than the model reads.
        normalize: whether the mean of windows is scaled to length 1.
        prompt_tokens: that stand before each text, and leave it less room.
    """

    predictor: Predictor[Any]
    long_text: LongText = "truncate"
    normalize: bool = True
    prompt_tokens: int = 0

    def embedded(
        self, chunks: Iterable[tuple[T, Reader[Any], Sequence[Mapping[str, Any]]]], bar: Progress | None = None
    ) -> Iterator[tuple[T, Embedded]]:
        """The vectors of each chunk of rows, with what the chunk comes with.

        Args:
            chunks: what a chunk comes with, what reads its rows, and these.
            bar: counts texts, of equal ones the first.
        """
        for (item, rows), computed in self.predictor.computed(self._read(chunks), bar):
            yield item, rows.embedded(computed, self.normalize)

    def _read(
        self, chunks: Iterable[tuple[T, Reader[Any], Sequence[Mapping[str, Any]]]]
    ) -> Iterator[tuple[tuple[T, _Rows], dict[str, list[str]]]]:
        for item, reader, given in chunks:
            rows = _Rows(len(given))
            for i, row in enumerate(given):
                try:
                    rows.take(i, reader.inputs(row)["text"])
                except ValueError as error:
                    rows.errors[i] = str(error)
            texts = list(rows.places)
            if self.long_text != "truncate" and self.predictor.task.max_length is not None:
                texts = rows.divided(texts, self._windows, whole=self.long_text == "error")
            yield (item, rows), {"text": texts} if texts else {}

    def _windows(self, text: str) -> tuple[list[str], int]:
        """A text in windows that the model reads whole, and how many tokens it has, with special ones."""
        tokenizer, limit = self.predictor.tokenizer, self.predictor.task.max_length
        special = tokenizer.num_special_tokens_to_add()
        room = limit - special - self.prompt_tokens
        if len(text.encode()) <= room:  # No tokenizer makes more tokens of a text than it has bytes.
            return [text], 0
        (tokens,) = pieces.tokenized(tokenizer, [text])
        if len(tokens.ids) <= room:
            return [text], 0
        return windows(text, tokens.offsets, max(room, 1)), len(tokens.ids) + special + self.prompt_tokens


def digest_of(predictor: Predictor[Any], model: str, revision: str | None = None) -> str:
    """SHA-256 of what vectors come from, in hex: the files of the weights, and the vocabulary.

    Args:
        predictor: of the model.
        model: as the user named it.
        revision: of a hub model.
    """
    digest = hashlib.sha256()
    for file in weight_files(predictor.model, model, revision):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(repr(sorted(predictor.tokenizer.get_vocab().items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def weight_files(model: Any, name: str, revision: str | None = None) -> list[Path]:
    """The files that hold the weights of a model, in the order of their names.

    Raises:
        UserError: there are none.
    """
    if isinstance(model, OnnxModel):
        return [model.path]
    place = opening.resolve(name)
    folder = Path(place)
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(place, "config.json", revision=revision)
        folder = Path(config).parent if isinstance(config, str) else folder
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            return files
    raise UserError(f"{name}: the files of its weights are not found in {folder}", "Name the model by its folder.")


def windows(text: str, offsets: np.ndarray, most: int) -> list[str]:
    """A text in consecutive parts of at most so many tokens, which begin at the beginning of a word where they can.

    Args:
        offsets: the characters of each token, shape (tokens, 2).
        most: tokens of a part.
    """
    starts = offsets[:, 0]
    parts, first = [], 0
    while len(offsets) - first > most:
        end = first + most
        # A token begins a word where a blank stands before it, or in it.
        words = [i for i in range(end, first, -1) if text[max(starts[i] - 1, 0)].isspace() or text[starts[i]].isspace()]
        last = words[0] if words else end
        parts.append(text[starts[first] : starts[last]])
        first = last
    return [*parts, text[starts[first] :]]


@dataclass
class _Rows:
    """Rows on their way through the model, each text of several rows once.

    Attributes:
        count: how many rows.
        places: text -> its place among those that differ.
        of_row: for each row the place of its text; -1 where it has none.
        windows: how many parts each of these texts is in; None where all are whole.
        over: place of a text -> its tokens, of those with more than the model reads.
        refused: whether such a text has no vector.
    """

    count: int
    places: dict[str, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    windows: list[int] | None = None
    sizes: list[int] = field(default_factory=list)
    over: dict[int, int] = field(default_factory=dict)
    refused: bool = False

    def __post_init__(self) -> None:
        self.of_row = np.full(self.count, -1)

    def take(self, row: int, text: str) -> None:
        """Note the text of a row."""
        self.of_row[row] = self.places.setdefault(text, len(self.places))

    def divided(
        self, texts: Sequence[str], cut_up: Callable[[str], tuple[list[str], int]], *, whole: bool
    ) -> list[str]:
        """The texts in parts that the model reads to their end.

        Args:
            cut_up: gives the parts of one, and its tokens where it has several.
            whole: a text in several parts is given as its first, and has no vector.
        """
        self.refused, self.windows = whole, []
        parts: list[str] = []
        for place, text in enumerate(texts):
            some, tokens = cut_up(text)
            if len(some) > 1:
                self.over[place] = tokens
                some = some[:1] if whole else some
            parts += some
            self.sizes += map(len, some)
            self.windows.append(len(some))
        return parts

    def embedded(self, computed: Computed, normalize: bool) -> Embedded:
        """What came of the rows.

        Args:
            computed: of the texts, or of their parts.
            normalize: see `Embedder`.
        """
        lost = computed.lost
        limit = computed.cut.limit or 0  # where there is none, no text is longer
        errors = dict(self.errors)
        if self.windows is not None:
            lost = {place: tokens - limit for place, tokens in self.over.items()}
        if self.refused:
            for row in np.flatnonzero(np.isin(self.of_row, list(self.over))).tolist():
                tokens = self.over[int(self.of_row[row])]
                errors[row] = f"the text has {tokens:,} tokens, and the model reads {limit:,}"
        rows_lost = {
            row: lost[place] for row, place in enumerate(self.of_row.tolist()) if place in lost and row not in errors
        }
        read = self.count - len(self.errors)
        longest = max((tokens + limit for tokens in rows_lost.values()), default=0)
        cut = Truncation(len(rows_lost), read, longest, computed.cut.limit)
        if computed.outputs is None:
            return Embedded(None, errors, cut, rows_lost, computed.tokens)
        vectors = self._joined(computed.outputs[:, 0], normalize)
        out = np.full((self.count, vectors.shape[1]), np.nan, np.float32)
        there = [row for row in range(self.count) if row not in errors]
        out[there] = vectors[self.of_row[there]]
        return Embedded(out if there else None, errors, cut, rows_lost, computed.tokens)

    def _joined(self, vectors: np.ndarray, normalize: bool) -> np.ndarray:
        """The vectors of whole texts: the mean of those of its windows, each of which counts as it is long."""
        if self.windows is None or all(count == 1 for count in self.windows):
            return vectors
        starts = np.cumsum([0, *self.windows[:-1]])
        weights = np.asarray(self.sizes, np.float32)[:, None]
        out = np.add.reduceat(vectors * weights, starts) / np.add.reduceat(weights, starts)
        single = np.asarray(self.windows) == 1
        out[single] = vectors[starts[single]]  # as they are, to the last bit
        if normalize:
            out = np.where(single[:, None], out, unit(out))
        return out.astype(np.float32)
