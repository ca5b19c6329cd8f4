"""One input of a model with some of its words hidden: how sure the model is of the same answer then.

All that `explain` says of a model rests on these numbers, and on gradients of the one for the whole input.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor
from nlpkit.tasks.explained import Question, Reading
from nlpkit.tasks.roles import Explainable

if TYPE_CHECKING:
    import torch

    from nlpkit.tasks.forward import Forward, Part

BATCH_TOKENS = 2_048  # per forward pass, with padding
LOGITS = 2**27  # numbers that a model which writes gives per forward pass, as it gives one for each piece and token
OF_TOKENS = ("input_ids", "token_type_ids")  # columns of features with an entry for each token
By = Literal["words", "tokens"]


class Variants:
    """See the module's docstring.

    Args:
        predictor: of a model in torch.
        question: what is explained.
        reading: one of its inputs.
        by: what is hidden together: the tokens of a word, or each token.

    Attributes:
        units: the positions of the tokens that are hidden together.
        asked: variants that the model was asked about so far; what was asked before is not asked again, see `anew`.
    """

    def __init__(self, predictor: Predictor[Explainable], question: Question, reading: Reading, by: By) -> None:
        self.predictor, self.question, self.reading, self.by = predictor, question, reading, by
        self.tokens = len(reading.feature["input_ids"])
        self.units: list[tuple[int, ...]] = [word.positions for word in reading.words]
        if by == "tokens":
            self.units = [(position,) for position in sorted(itertools.chain.from_iterable(self.units))]
        self.asked = 0
        self._known: dict[tuple[bool, bytes], float] = {}

    def __len__(self) -> int:
        return len(self.units)

    @property
    def task(self) -> Explainable:
        """Of the model."""
        return self.predictor.task

    @contextmanager
    def anew(self) -> Iterator[None]:
        """Ask again what was asked before: a method is charged with all that it takes, whatever ran before it."""
        before, self._known = self._known, {}
        try:
            yield
        finally:
            self._known = before | self._known

    @property
    def whole(self) -> float:
        """How sure the model is when all is there."""
        return float(self.values(np.ones((1, len(self)), dtype=bool))[0])

    @cached_property
    def mask(self) -> int | None:
        """The token that stands for a hidden one; None: the tokenizer has none, and words are left out.

        One that begins or ends texts, as GPT-2's for unknown ones, would part the text in two; and padding is nothing
        that a model has read: it stands for words only where these cannot be left out.
        """
        tokenizer = self.predictor.tokenizer
        parting = (tokenizer.bos_token_id, tokenizer.eos_token_id)
        padding = None if self.task.movable else tokenizer.pad_token_id
        for token in (tokenizer.mask_token_id, tokenizer.unk_token_id, padding):
            if token is not None and token not in parting:
                return int(token)
        if not self.task.movable:
            raise UserError(
                f"the tokenizer ({type(tokenizer).__name__}) has neither a mask, an unknown nor a padding token, which "
                f"would stand for hidden words, and an answer of {self.task.name} stands at places of the text",
                "Name a model whose tokenizer has one.",
            )
        return None

    @property
    def masked_as(self) -> str:
        """What becomes of masked words, in words."""
        return "left out" if self.mask is None else f"replaced by {self.predictor.tokenizer.decode([self.mask])}"

    def masked(self, kept: np.ndarray) -> np.ndarray:
        """How sure the model is where hidden units are masked; left out, where there is no token for it.

        Args:
            kept: bool of shape (variants, units).
        """
        return self.values(kept, left_out=self.mask is None)

    def removed(self, kept: np.ndarray) -> np.ndarray:
        """The same where they are left out; masked, where the answer stands at places of the text."""
        return self.values(kept, left_out=self.task.movable)

    def values(self, kept: np.ndarray, *, left_out: bool = False) -> np.ndarray:
        """How sure the model is of the answer, of each variant: float64 of shape (variants,).

        Args:
            kept: bool of shape (variants, units).
            left_out: hidden units are left out of the input; else they are masked.
        """
        keys = [(left_out, row.tobytes()) for row in np.ascontiguousarray(kept)]
        full = np.ones(len(self), dtype=bool).tobytes()
        keys = [(False, full) if key[1] == full else key for key in keys]  # which is neither
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        rows = [self._variant(kept[i], left_out) for i in new.values()]
        for key, value in zip(new, self._asked(rows), strict=True):
            self._known[key] = value
        return np.array([self._known[key] for key in keys])

    def _variant(self, kept: np.ndarray, left_out: bool) -> dict[str, Any]:
        feature = dict(self.reading.feature)
        hidden = {place for keep, unit in zip(kept, self.units, strict=True) if not keep for place in unit}
        if not hidden:
            return feature
        if not left_out:
            assert self.mask is not None
            feature["input_ids"] = [self.mask if i in hidden else token for i, token in enumerate(feature["input_ids"])]
            return feature
        for name in feature.keys() & set(OF_TOKENS):
            left = [entry for i, entry in enumerate(feature[name]) if i not in hidden]
            feature[name] = left or self._nothing[name]
        return feature

    @property
    def _nothing(self) -> dict[str, list[int]]:
        """What is read where all words are left out, and the tokenizer puts nothing around a text: the token that
        begins or ends one."""
        tokenizer = self.predictor.tokenizer
        known = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
        return {"input_ids": [next(int(token) for token in known if token is not None)], "token_type_ids": [0]}

    def _asked(self, rows: list[dict[str, Any]]) -> Iterator[float]:
        """How sure the model is of each, in batches of like lengths."""
        self.asked += len(rows)
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]["input_ids"]))
        found: dict[int, float] = {}
        start = 0
        while start < len(order):
            some = order[start : start + max(self._batch_tokens // self._tokens_of(rows[order[start]]), 1)]
            batch = self.predictor.batch([rows[i] for i in some])
            values = self.task.explained(self.predictor.run(batch), self.question.target)
            found.update(zip(some, values.double().cpu().tolist(), strict=True))
            start += len(some)
        return (found[i] for i in range(len(rows)))

    @cached_property
    def _batch_tokens(self) -> int:
        """Tokens per forward pass, with those that were written."""
        if not self.task.writes:
            return BATCH_TOKENS
        return min(BATCH_TOKENS, max(LOGITS // len(self.predictor.tokenizer), 1))

    def _tokens_of(self, row: Mapping[str, Any]) -> int:
        """Tokens of a row, with those that were written, which stand in a column of their own."""
        columns = (column for name, column in row.items() if name != "token_type_ids")
        return sum(len(column) for column in columns if isinstance(column, Sequence))

    # --- gradients ---

    @cached_property
    def batch(self) -> dict[str, torch.Tensor]:
        """The whole input, as the model is given it."""
        return self.predictor.batch([dict(self.reading.feature)])

    def embedded(self, *, masked: bool = False) -> torch.Tensor:
        """The embeddings of the input's tokens, shape (1, tokens, width).

        Args:
            masked: with all units hidden.
        """
        import torch

        ids = self.batch["input_ids"].clone()
        table = table_of(self.predictor.model)
        places = [place for unit in self.units for place in unit]
        if masked and self.mask is not None:
            ids[0, places] = self.mask
        with torch.no_grad():
            embedded = table(ids)
            if masked and self.mask is None:  # nothing stands for a hidden token: no direction at all
                embedded = embedded.clone()
                embedded[0, places] = 0.0
        return embedded.detach()

    def value_of(self, embedded: torch.Tensor) -> torch.Tensor:
        """How sure the model is where the embeddings of its tokens are these, with their gradient.

        Args:
            embedded: of shape (rows, tokens, width).
        """
        batch = {name: tensor.expand(len(embedded), *tensor.shape[1:]) for name, tensor in self.batch.items()}
        return self.task.explained(self.forward(batch, embedded=embedded), self.question.target)

    def forward(
        self, batch: Mapping[str, torch.Tensor], want: Sequence[Part] = (), embedded: torch.Tensor | None = None
    ) -> Forward:
        """One forward pass that gradients pass through.

        Args:
            embedded: stand for the embeddings of the tokens, where given.
        """
        import torch

        model = self.predictor.model

        def run() -> Forward:
            with torch.enable_grad(), replaced(model, embedded):
                return self.task.run(model, batch, want)

        return self.predictor.weights.call(run)

    def of_units(self, tokens: np.ndarray) -> np.ndarray:
        """Figures of tokens, shape (tokens,), summed for each unit."""
        return np.array([tokens[list(unit)].sum() for unit in self.units])


@contextmanager
def replaced(model: Any, embedded: torch.Tensor | None) -> Iterator[None]:
    """Have the first look into the table of token embeddings give these instead, for the first tokens that it is for.

    Where encoder and decoder share a table, the encoder looks first.
    """
    if embedded is None:
        yield
        return
    import torch

    waiting = [embedded]

    def instead(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if not waiting:
            return output
        given = waiting.pop().to(output.dtype)
        return torch.cat([given, output[:, given.shape[1] :]], dim=1)  # behind them may stand what was written

    hook = table_of(model).register_forward_hook(instead)
    try:
        yield
    finally:
        hook.remove()


def table_of(model: Any) -> Any:
    """The module that gives the embeddings of the tokens of a text, in a model with an encoder the encoder's."""
    reads = model.get_encoder() if getattr(model.config, "is_encoder_decoder", False) else model
    return reads.get_input_embeddings()


Attribution = Callable[["Variants", int], np.ndarray]
"""A method: what each unit is worth to the answer, shape (units,), of a seed for what it draws."""
