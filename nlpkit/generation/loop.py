"""From token to token: greedy and drawn writing by a model with a cache, a batch at a time.

Rows leave the batch when they end, so that one long text does not have the others computed again and again. Beams are
those of transformers' `generate`. A model that runs in ONNX Runtime is called as one of torch is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Self, cast

import torch

from nlpkit.errors import UserError
from nlpkit.generation import wanted
from nlpkit.generation.drawing import key_of, noise
from nlpkit.generation.settings import Settings


@dataclass
class Text:
    """What was written behind a prompt.

    Attributes:
        ids: without what ends it.
        chances: log-probability of each token under the model, before anything is left out for drawing.
        others: of each token the most likely ones, with their log-probabilities; empty unless asked for.
        ended: by a token or a text that ends it; False: at --max-new-tokens, or where the model takes no more.
        characters: of what the tokens say, those that stand before the text that ended it; None: all.
    """

    ids: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    others: list[list[tuple[int, float]]] = field(default_factory=list)
    ended: bool = False
    characters: int | None = None


@dataclass(frozen=True)
class Ends:
    """Where a text ends.

    Attributes:
        tokens: ids, each of which ends it.
        stop: texts, each of which ends it and is left out.
        decode: ids to text.
        most: tokens of prompt and text that the model takes; None for any number.
    """

    tokens: frozenset[int]
    stop: Sequence[str]
    decode: Callable[[Sequence[int]], str]
    most: int | None = None

    def found_in(self, ids: Sequence[int]) -> tuple[int, int] | None:
        """How many characters stand before the first of the stop texts, and how many tokens say these.

        The last of the tokens may say a part of the stop text too, as one that is a full stop and the end of a line.

        Returns:
            (tokens, characters); None where no stop text is there.
        """
        if not self.stop:
            return None
        text = self.decode(ids)
        places = [text.find(stop) for stop in self.stop if stop in text]
        if not places:
            return None
        characters = min(places)
        keep = len(ids)
        while keep and len(self.decode(ids[: keep - 1])) >= characters:
            keep -= 1
        return keep, characters


def write(
    model: Any,
    batch: Mapping[str, torch.Tensor],
    settings: Settings,
    ends: Ends,
    *,
    runners_up: int = 0,
    on_token: Callable[[int, Text], None] | None = None,
) -> list[Text]:
    """A text for each row of a batch, `settings.sequences` of them one behind the other.

    Args:
        model: one that goes on with a text, or that writes from what its encoder read.
        batch: `input_ids` and `attention_mask` (rows, length), padded on the left.
        ends: where texts end.
        runners_up: likely tokens to note of each place; one of them may be what is written there.
        on_token: is told the number of a text and what it is so far, whenever a token was added.
    """
    ids, mask = batch["input_ids"], batch["attention_mask"]
    count = settings.sequences
    prompts = [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True) for _ in range(count)]
    ids, mask = ids.repeat_interleave(count, 0), mask.repeat_interleave(count, 0)
    texts = [Text() for _ in prompts]
    keys = [key_of(prompt, i % count, settings.seed) for i, prompt in enumerate(prompts)]
    more = {name: entry.repeat_interleave(count, 0) for name, entry in read_besides(batch).items()}
    steps = begun(model, ids, mask, start=settings.start, more=more)
    if has_encoder(model):
        prompts = [[] for _ in prompts]
    alive = [i for i, prompt in enumerate(prompts) if ends.most is None or len(prompt) < ends.most]
    if len(alive) < len(texts):
        steps.keep(alive)
    history, drawing = settings.of_history(), settings.of_drawing()
    history.extend(own_rules(model, settings))
    for step in range(settings.max_new_tokens):
        if not alive:
            break
        wanted.require()
        logits = steps.logits()
        likely = logits.log_softmax(-1)
        scores = logits.clone()
        if history:  # one by one: padding is no token that stands there
            for row, there in enumerate(steps.there()):
                scores[row] = _changed(history, there[None], scores[row][None])[0]
        scores = _changed(drawing, steps.ids, scores)
        if settings.draws:
            drawn = noise([keys[i] for i in alive], step, scores.shape[-1])
            scores = scores + torch.from_numpy(drawn).to(scores.device)
        chosen = scores.argmax(-1)
        chances = likely.gather(1, chosen[:, None])[:, 0].tolist()
        best = likely.topk(runners_up) if runners_up else None
        last = step == settings.max_new_tokens - 1 and forces_end(model)
        wished = likely.argmax(-1).tolist() if last else []
        staying = []
        for row, (i, token) in enumerate(zip(alive, chosen.tolist(), strict=True)):
            others = [] if best is None else list(zip(best[1][row].tolist(), best[0][row].tolist(), strict=True))
            if math.isnan(chances[row]):  # nothing can be chosen; whoever reads the chances says so
                texts[i].chances.append(chances[row])
                continue
            if _added(texts[i], token, chances[row], others, ends, len(prompts[i])):
                staying.append(row)
            elif last and wished[row] not in ends.tokens:
                texts[i].ended = False
            if on_token is not None:
                on_token(i, texts[i])
        steps.add(chosen)
        if len(staying) < len(alive):
            alive = [alive[row] for row in staying]
            steps.keep(staying)
    return texts


def _changed(processors: Any, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The logits as the processors of transformers leave them."""
    changed: torch.Tensor = processors(ids, scores)
    return changed


class Steps:
    """The rows of a batch as the model reads them from step to step.

    Attributes:
        ids, mask: of prompts and what was written, shape (rows, length).
    """

    def __init__(self, model: Any, ids: torch.Tensor, mask: torch.Tensor) -> None:
        self.model, self.ids, self.mask = model, ids, mask
        self.given, self.positions = ids, (mask.cumsum(-1) - 1).clamp(min=0)
        self.takes = taken_by(model)
        self.cache: Any = None

    def logits(self) -> torch.Tensor:
        """Of the next token, shape (rows, vocabulary), float32."""
        more = {"position_ids": self.positions, "logits_to_keep": 1}
        output = self.model(
            input_ids=self.given,
            attention_mask=self.mask,
            past_key_values=self.cache,
            use_cache=True,
            **{name: value for name, value in more.items() if name in self.takes},
        )
        self.cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def there(self) -> Iterator[torch.Tensor]:
        """The tokens of each row without padding."""
        return (row[kept.bool()] for row, kept in zip(self.ids, self.mask, strict=True))

    def add(self, chosen: torch.Tensor) -> None:
        """Put a token behind each row."""
        self.given = chosen[:, None]
        self.ids = torch.cat([self.ids, self.given], 1)
        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], 1)
        self.positions = self.positions[:, -1:] + 1

    def again(self) -> Self:
        """The same rows at the same place: what is written behind them leaves these as they are."""
        made = copy.copy(self)
        made.cache = _same(self.cache)
        return made

    def keep(self, rows: Sequence[int]) -> None:
        """Let the other rows go."""
        kept = torch.tensor(rows, dtype=torch.long, device=self.ids.device)
        self.ids, self.mask, self.positions = self.ids[kept], self.mask[kept], self.positions[kept]
        self.given = self.given[kept]
        if self.cache is not None and len(rows):
            self.cache.batch_select_indices(kept)


def decoder_start(model: Any, asked: int | None) -> int:
    """The token that a decoder begins with.

    Args:
        asked: as a user asks for it; None: as the model's folder says.
    """
    own = (asked, model.generation_config.decoder_start_token_id, model.config.decoder_start_token_id)
    return next(int(number) for number in own if number is not None)


class _AnswerSteps(Steps):
    """The rows of a batch that an encoder has read, and what its decoder writes.

    Attributes:
        ids, mask: of what was written, behind the token that a decoder begins with.
    """

    def __init__(
        self,
        model: Any,
        ids: torch.Tensor,
        mask: torch.Tensor,
        start: int | None,
        more: Mapping[str, torch.Tensor],
    ) -> None:
        begin = torch.full_like(ids[:, :1], decoder_start(model, start))
        super().__init__(model, begin, torch.ones_like(begin))
        self.read_mask = mask
        self.read: torch.Tensor | None = None
        if isinstance(model, torch.nn.Module):
            encoder = cast(Any, model).get_encoder()
            self.read = encoder(input_ids=ids, attention_mask=mask, **more).last_hidden_state
        else:
            self.cache = model.read(ids, mask)

    def logits(self) -> torch.Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        read = {} if self.read is None else {"encoder_outputs": BaseModelOutput(last_hidden_state=self.read)}
        output = self.model(
            **read,
            attention_mask=self.read_mask,
            decoder_input_ids=self.given,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def keep(self, rows: Sequence[int]) -> None:
        super().keep(rows)
        kept = torch.tensor(rows, dtype=torch.long, device=self.ids.device)
        self.read_mask = self.read_mask[kept]
        self.read = None if self.read is None else self.read[kept]


def begun(
    model: Any,
    ids: torch.Tensor,
    mask: torch.Tensor,
    *,
    start: int | None = None,
    more: Mapping[str, torch.Tensor] | None = None,
) -> Steps:
    """The rows of a batch before anything is written.

    Args:
        ids, mask: of prompts, or of what an encoder reads, shape (rows, length).
        start: the token that a decoder begins with; None: the model's.
        more: see `read_besides`.
    """
    return _AnswerSteps(model, ids, mask, start, more or {}) if has_encoder(model) else Steps(model, ids, mask)


def _same(cache: Any) -> Any:
    """Another cache of the same tokens, over the same memory."""
    made = copy.copy(cache)
    if hasattr(cache, "self_attention_cache"):  # what the encoder has read is added to no more
        made.self_attention_cache = _same(cache.self_attention_cache)
    else:
        made.layers = [copy.copy(layer) for layer in cache.layers]
    return made


def taken_by(model: Any) -> frozenset[str]:
    """Names of what a model may be called with.

    Raises:
        UserError: it was exported without a cache.
    """
    if isinstance(model, torch.nn.Module):
        return frozenset(signature(model.forward).parameters)
    if not model.remembers:
        raise UserError(
            f"{model.path} was exported without a cache: all of a text would be read again for each token",
            "Export it with `nlpkit quantize`, which keeps one.",
        )
    return frozenset(signature(model.__call__).parameters) | frozenset(model.inputs)


def read_besides(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What an encoder is given of a batch besides ids and mask, as LED which tokens all others attend to."""
    known = ("input_ids", "attention_mask", "labels")
    return {name: entry for name, entry in batch.items() if name not in known}


def has_encoder(model: Any) -> bool:
    """Whether a model writes what its encoder makes of a text, and does not go on with it."""
    return bool(getattr(model.config, "is_encoder_decoder", False))


def forces_end(model: Any) -> bool:
    """Whether a model's folder has the last token that it may write be one that ends the text (BART): it was cut there
    all the same."""
    own = getattr(model, "generation_config", None)
    return has_encoder(model) and getattr(own, "forced_eos_token_id", None) is not None


def own_rules(model: Any, settings: Settings) -> list[Any]:
    """What a model's folder says of how it writes, besides what is asked for: tokens that it never writes, or begins
    and ends with (Marian, BART, mBART), in the order of transformers' `generate`."""
    from transformers.generation import logits_process as of

    asked = getattr(model, "generation_config", None)
    if asked is None or not has_encoder(model):
        return []
    device = model.device
    ends = asked.eos_token_id
    made: list[Any] = []
    if asked.bad_words_ids:
        made.append(of.NoBadWordsLogitsProcessor(asked.bad_words_ids, ends))
    if asked.min_length and ends is not None:
        made.append(of.MinLengthLogitsProcessor(min(asked.min_length, settings.max_new_tokens), ends, device))
    begin = asked.forced_bos_token_id if settings.begin is None else settings.begin
    if begin is not None:
        made.append(of.ForcedBOSTokenLogitsProcessor(begin))
    if asked.forced_eos_token_id is not None:
        made.append(of.ForcedEOSTokenLogitsProcessor(settings.max_new_tokens + 1, asked.forced_eos_token_id, device))
    if asked.suppress_tokens:
        made.append(of.SuppressTokensLogitsProcessor(asked.suppress_tokens, device))
    if asked.begin_suppress_tokens:
        first = 1 if begin is None else 2
        made.append(of.SuppressTokensAtBeginLogitsProcessor(asked.begin_suppress_tokens, first, device))
    return made


def _alone(batch: Mapping[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """Each row of a batch by itself, without padding."""
    for row, kept in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        there = kept.bool()
        yield {"input_ids": row[there][None], "attention_mask": kept[there][None]}


def _added(text: Text, token: int, chance: float, others: list[Any], ends: Ends, before: int) -> bool:
    """Add a token to a text; whether it goes on."""
    if token in ends.tokens:
        text.ended = True
        return False
    text.ids.append(token)
    text.chances.append(chance)
    text.others.append(others)
    found = ends.found_in(text.ids)
    if found is not None:
        keep, text.characters = found
        del text.ids[keep:], text.chances[keep:], text.others[keep:]
        text.ended = True
        return False
    return ends.most is None or before + len(text.ids) < ends.most


@contextmanager
def _unsettled(model: Any) -> Iterator[None]:
    """Let `generate` follow what it is given alone: it fills up what is left open with the model's own settings."""
    from transformers import GenerationConfig

    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def beams(model: Any, batch: Mapping[str, torch.Tensor], settings: Settings, ends: Ends) -> list[Text]:
    """As `write`, the most likely texts that a search with beams finds (transformers' `generate`)."""
    from transformers import GenerationConfig

    writer = cast(Any, model)
    history = settings.of_history()
    if not isinstance(model, torch.nn.Module):
        from nlpkit.generation.exported import Exported

        writer = Exported(model)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    longest = 1 if has_encoder(model) else ids.shape[1]
    if (
        len(ids) > 1
        and not has_encoder(model)
        and (settings.of_history() or (ends.most is not None and longest + settings.max_new_tokens > ends.most))
    ):
        # one by one: padding would take room from the shorter ones, and count as tokens that stand there
        return [text for alone in _alone(batch) for text in beams(model, alone, settings, ends)]
    room = settings.max_new_tokens if ends.most is None else min(settings.max_new_tokens, ends.most - longest)
    if room < 1:
        return [Text() for _ in range(len(ids) * settings.sequences)]
    tokens = sorted(ends.tokens)
    config = GenerationConfig(
        max_new_tokens=room,
        num_beams=settings.beams,
        num_return_sequences=settings.sequences,
        do_sample=False,
        length_penalty=settings.length_penalty,
        early_stopping=False,
        eos_token_id=tokens or None,
        pad_token_id=tokens[0] if tokens else 0,
        return_dict_in_generate=True,
        output_scores=True,
    )
    history.extend(own_rules(model, settings))
    history.append(wanted.require_before)
    more: dict[str, torch.Tensor] = {}
    if has_encoder(model):
        own = writer.generation_config.decoder_start_token_id
        config.decoder_start_token_id = own if settings.start is None else settings.start
        config.early_stopping = writer.generation_config.early_stopping or False
        more = read_besides(batch)
    with _unsettled(writer):
        made = writer.generate(ids, attention_mask=mask, generation_config=config, logits_processor=history, **more)
    chances = writer.compute_transition_scores(made.sequences, made.scores, made.beam_indices, normalize_logits=False)
    texts = []
    for row, scores in zip(made.sequences[:, longest:].tolist(), chances.tolist(), strict=True):
        text = Text()
        for token, chance in zip(row, scores, strict=True):
            if text.ended or not _added(text, token, chance, [], ends, 0):
                break
        if forces_end(model) and text.characters is None and len(text.ids) + 1 >= room:
            text.ended = False
        texts.append(text)
    return texts
