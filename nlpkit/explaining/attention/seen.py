"""What a model attends to when it reads a text: the attention of every layer and head, with the tokens it is between.

The text is read as the task of the model reads it, with its prefixes, pairs and special tokens. A model that writes
from an encoder writes its answer first: its decoder is looked at while it reads that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.errors import UserError
from nlpkit.explaining.attention import masked, vectors
from nlpkit.generation.words import said_alone
from nlpkit.inference.predictor import Predictor
from nlpkit.models import attention, opening
from nlpkit.tasks.contract import BOOKKEEPING, NAN

if TYPE_CHECKING:
    from nlpkit.explaining.attention.masked import Masked
    from nlpkit.explaining.attention.vectors import Vectors
    from nlpkit.tasks.reading import Reader

SEPARATORS = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class Tokens:
    """The tokens of one side, as people read them.

    Attributes:
        texts: each of them.
        special: whether a tokenizer or a model put it there, or it stands for a word that is asked for.
        second: whether it belongs to the second of two texts.
    """

    texts: tuple[str, ...]
    special: tuple[bool, ...]
    second: tuple[bool, ...]

    def first(self, count: int) -> Tokens:
        """The first tokens alone."""
        return Tokens(self.texts[:count], self.special[:count], self.second[:count])

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Stack:
    """The attention of a stack of layers, from the tokens of one side to those of another.

    Attributes:
        name: encoder, decoder or cross; empty where a model has one stack.
        rows, columns: the tokens that attend, and those that are attended to.
        attentions: of each layer, shape (heads, rows, columns); each row adds up to 1.
        vectors: queries and keys of each layer; None where they are not found.
    """

    name: str
    rows: Tokens
    columns: Tokens
    attentions: tuple[np.ndarray, ...]
    vectors: tuple[Vectors | None, ...]

    def first(self, count: int) -> Stack:
        """Between the first tokens of each side alone."""
        return replace(
            self,
            rows=self.rows.first(count),
            columns=self.columns.first(count),
            attentions=tuple(layer[:, :count, :count] for layer in self.attentions),
            vectors=tuple(layer and layer.first(count) for layer in self.vectors),
        )


@dataclass(frozen=True)
class Seen:
    """What was seen of one text.

    Attributes:
        title: the text, for people.
        answer: what a model with encoder and decoder wrote for it; None for others.
        stacks: one, or of such a model encoder, decoder and cross.
        masked: what a model that fills masks says where a token of the text is hidden, by the place of the token; None
            for other models.
    """

    title: str
    answer: str | None
    stacks: tuple[Stack, ...]
    masked: Mapping[int, Masked] | None

    @property
    def longest(self) -> int:
        """Tokens of the longer side."""
        return max(len(side) for stack in self.stacks for side in (stack.rows, stack.columns))

    def first(self, count: int) -> Seen:
        """Between the first tokens alone."""
        shown = None if self.masked is None else {place: said for place, said in self.masked.items() if place < count}
        return replace(self, stacks=tuple(stack.first(count) for stack in self.stacks), masked=shown)


class Row(NamedTuple):
    """What is to be read.

    Attributes:
        where: it stands, for messages: `text 1`, `line 7`.
        values: by column.
        reader: of the model's task, for these columns.
    """

    where: str
    values: Mapping[str, Any]
    reader: Reader[Any]


def look(predictor: Predictor[Any], name: str, row: Row) -> list[Seen]:
    """Read a row and note the attention; one that a model reads in several parts (for each label) gives several.

    Args:
        predictor: of a model in torch.
        name: of the model, for messages.
        row: what is to be read.

    Raises:
        UserError: the model has no attention of each token to each other, the row cannot be read, or it is longer than
            the model reads at a time.
    """
    attention.require(predictor.model, name)
    predictor = predictor.reading(row.reader)
    task, tokenizer = predictor.task, predictor.tokenizer
    if masked.fills_masks(predictor.model):
        texts = _texts_with_masks(row)
        inputs = dict(tokenizer(*texts, return_tensors="pt", verbose=False))
        tokens = inputs["input_ids"].shape[1]
        if task.max_length is not None and tokens > task.max_length:
            _too_long(tokens, task.max_length, row.where)
        return [_seen(predictor, name, inputs, _title(texts), None)]
    try:
        example = row.reader.inputs(row.values)
    except ValueError as error:
        raise UserError(f"{row.where}: {error}") from error
    made = task.features(tokenizer, {name: [value] for name, value in example.items()})
    lengths, lost = list(made["length"]), list(made.get("lost") or [0])
    parts = len(lengths)
    in_windows = parts > 1 and task.max_length is not None and max(lengths) >= task.max_length
    if max(lost) or in_windows:
        _too_long(max(lengths) + max(lost) if max(lost) else None, max(lengths), row.where)
    title = _title([value for value in example.values() if isinstance(value, str)])
    seen = []
    for part in range(parts):
        entries = {key: column[part] for key, column in made.items() if key not in BOOKKEEPING and column}
        inputs = task.model_inputs(predictor.batch([entries]))
        answer = _written(predictor, inputs, example) if _writes_from_encoder(predictor.model) else None
        numbered = f"{title} ({part + 1} of {parts})" if parts > 1 else title
        seen.append(_seen(predictor, name, inputs, numbered, answer))
    return seen


def _texts_with_masks(row: Row) -> list[str]:
    """What a model that fills masks reads of a row: also a text without masks, which has nothing to be filled.

    Raises:
        UserError: there is no text.
    """
    try:
        example = row.reader.inputs(row.values)
    except ValueError:
        try:
            return [column_names.cell(row.values, row.reader.input_columns[0], column_names.TEXT_NAMES)]
        except ValueError as error:
            raise UserError(f"{row.where}: {error}") from error
    return [example[name] for name in ("hint", "text") if name in example]


def _title(texts: Sequence[str]) -> str:
    return " / ".join(filter(None, texts))


def _too_long(tokens: int | None, most: int, where: str) -> None:
    has = "more tokens than" if tokens is None else f"{tokens:,} tokens, more than"
    raise UserError(
        f"{where} has {has} the {most:,} that the model reads at a time: there is no attention between its parts",
        "Give a shorter text, such as the sentences in question.",
    )


def _writes_from_encoder(model: Any) -> bool:
    return bool(model.config.is_encoder_decoder) and model.can_generate()


def _written(predictor: Predictor[Any], inputs: Mapping[str, Any], example: Mapping[str, Any]) -> str:
    """What a model with encoder and decoder writes for one input."""
    import torch

    task = predictor.task
    with torch.inference_mode():
        given = predictor.weights.call(lambda: task.answer(predictor.model, inputs))
    reduced = {name: value.cpu() for name, value in given.items() if name != NAN}
    outputs = task.merge(task.collect(reduced), {"example": [0]})
    (answer,) = task.decode(outputs, [example])
    return str(answer["prediction"])


def _read_by_decoder(model: Any, tokenizer: Any, answer: str) -> Any:
    """What a decoder has read when it has written an answer, up to its last token: shape (1, tokens)."""
    import torch

    labels = list(tokenizer(text_target=answer, verbose=False)["input_ids"])
    if tokenizer.eos_token_id not in labels:  # some tokenizers leave it to the task
        labels.append(tokenizer.eos_token_id)
    most = opening.writes(model.config, model)
    if most is not None and len(labels) > most:
        reporting.current().warn(
            f"what was written has {len(labels):,} tokens, more than the decoder takes: the first {most:,} are shown"
        )
        labels = labels[:most]
    return model.prepare_decoder_input_ids_from_labels(torch.tensor([labels], device=model.device))


def _seen(predictor: Predictor[Any], name: str, inputs: Mapping[str, Any], title: str, answer: str | None) -> Seen:
    """One forward pass with its attentions."""
    import torch

    model, tokenizer = predictor.model, predictor.tokenizer
    more: dict[str, Any] = {}
    if answer is not None:
        more["decoder_input_ids"] = _read_by_decoder(model, tokenizer, answer)
    given = {key: tensor.to(model.device) for key, tensor in inputs.items()}
    with attention.eager(model, name), vectors.recorded(model) as calls, torch.inference_mode():
        outputs = predictor.weights.call(lambda: model(**given, **more, output_attentions=True))
    read = inputs["input_ids"][0].tolist()
    sides = {"read": tokens_of(tokenizer, read)}
    if model.config.is_encoder_decoder:
        begun = [model.config.decoder_start_token_id, *read[:-1]]  # what a model that does not write gives its decoder
        written = more["decoder_input_ids"][0].tolist() if more else begun
        sides["written"] = replace(tokens_of(tokenizer, written), second=(False,) * len(written))
        parts = [("encoder", "read", "read"), ("decoder", "written", "written"), ("cross", "written", "read")]
        named = {part: outputs[f"{part}_attentions"] for part, _, _ in parts}
    else:
        parts, named = [("", "read", "read")], {"": outputs["attentions"]}
    stacks = []
    for part, rows, columns in parts:
        attentions = _as_arrays(named[part], len(sides[rows]), len(sides[columns]), f"{name} ({type(model).__name__})")
        found = vectors.found(calls, attentions)
        stacks.append(Stack(part, sides[rows], sides[columns], attentions, found))
    hidden = masked.predictions(model, tokenizer, given) if masked.fills_masks(model) else None
    return Seen(title, answer, tuple(stacks), hidden)


def _as_arrays(attentions: Any, rows: int, columns: int, what: str) -> tuple[np.ndarray, ...]:
    """The attention of one text, each layer of shape (heads, rows, columns).

    Raises:
        UserError: the model computes another one (of windows, of blocks) or none, or what is no number.
    """
    whole = attentions and all(layer is not None and layer.shape[2:] == (rows, columns) for layer in attentions)
    if not whole:
        raise UserError(
            f"{what} has no attention of each token to each other that could be looked at",
            "Its architecture computes it in windows, in blocks, or not at all.",
        )
    made = tuple(layer[0].float().cpu().numpy() for layer in attentions)
    for number, layer in enumerate(made, 1):
        if not np.isfinite(layer).all():
            raise UserError(
                f"{what}: the attention of layer {number} is no number (NaN)",
                "Its weights are damaged, or too large for this arithmetic: try --precision fp32.",
            )
    return made


def tokens_of(tokenizer: Any, ids: Sequence[int]) -> Tokens:
    """Token ids as people read them.

    Where special tokens part the text in two, those behind the first part and the token that ends it belong to the
    second.
    """
    special = [int(id_) in set(tokenizer.all_special_ids) for id_ in ids]
    parting = {getattr(tokenizer, name, None) for name in SEPARATORS} - {None}
    second, words_seen, ended = [], False, False
    for id_ in ids:
        second.append(ended)
        if id_ not in parting:
            words_seen = True
        elif words_seen:
            ended = True
    # what ends the one text that there is begins no second one
    if not any(is_second and id_ not in parting for is_second, id_ in zip(second, ids, strict=True)):
        second = [False] * len(ids)
    return Tokens(tuple(said_alone(tokenizer, id_) for id_ in ids), tuple(special), tuple(second))
