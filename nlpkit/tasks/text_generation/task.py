"""Going on with a text: what a model writes behind a prompt, and how well it knows the words of a text."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data.collating import Collator, PaddingCollator
from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError
from nlpkit.generation.settings import Settings
from nlpkit.generation.words import Growing, continuation, said, unfolded
from nlpkit.options import Config
from nlpkit.reporting import Writing
from nlpkit.tasks.explained import Question, require_places, sureness_of_written
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.outputs import Outputs, exact
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Explainable, Judged
from nlpkit.tasks.text_generation import explaining, features, pairs
from nlpkit.tasks.text_generation.options import (
    TextGenerationAnswerOptions,
    TextGenerationJudgeOptions,
    advised_by,
    require_steps,
    settings_of,
)
from nlpkit.tasks.text_generation.record import TextGenerationRecord

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.generation.loop import Ends, Text
    from nlpkit.metrics.evidence import Evidence, Judgement

METRICS = ("perplexity", "bits_per_byte", "loss", "accuracy", "tokens")  # of running text


@dataclass(frozen=True, eq=False, kw_only=True)
class TextGeneration(Judged, Explainable):
    """See the module's docstring.

    A text that is judged is a document as those of pre-training: the token that begins it is read before it, and the
    one that ends it is predicted too. Texts beyond `max_length` are read in windows.

    Rows may be minimal pairs instead, of which the likelier sentence is asked: see `pairs.py`.

    Args:
        text: name of the column in the user's rows.
        pairs: whether rows are minimal pairs.
        stride: tokens from one window of a judged text to the next; None: `max_length`.
        ngrams_of: texts whose n-grams are asked for minimal pairs too.
        settings: how a text is written; None: as `configured` or the model says.
        prefix: what stands before each prompt.
        chat: whether a prompt is what a user says in the conversation that the model was trained for.
        shows_probabilities: whether answers hold the probability of each token.
        runners_up: likely tokens beside each of them.
        writing: shows a text while it is written; None: nobody looks on.
        usual_tokens: that are written at most, as the model's folder says; None: it does not.
        advised: options that ask for what the model's folder asks for.
        tokenizer: of the model.
    """

    text: str = "text"
    pairs: bool = False
    stride: int | None = None
    ngrams_of: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)
    prefix: str = ""
    chat: bool = False
    shows_probabilities: bool = False
    runners_up: int = 0
    writing: Writing | None = None
    usual_tokens: int | None = None
    advised: str = ""
    tokenizer: Any = None

    name: ClassVar[str] = "text-generation"
    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    architectures: ClassVar[tuple[str, ...]] = ("ForCausalLM", "LMHeadModel")
    pipeline_tag: ClassVar[str | None] = "text-generation"
    trained_by: ClassVar[str] = "pretrain-clm"
    reads: ClassVar[str] = "running text without labels"
    operations: ClassVar[Sequence[str]] = ()
    predict_options: ClassVar[type[Config]] = TextGenerationAnswerOptions
    evaluate_options: ClassVar[type[Config]] = TextGenerationJudgeOptions
    column_options: ClassVar[type[Config]] = TextOptions
    record_type: ClassVar[type[TaskRecord]] = TextGenerationRecord
    view_class: ClassVar[str] = "nlpkit.tasks.text_generation.view:TextGenerationView"
    reading_class: ClassVar[str] = "nlpkit.tasks.text_generation.reading:TextGenerationReader"
    writes: ClassVar[bool] = True
    needs_torch: ClassVar[bool] = True

    lower_is_better: ClassVar[frozenset[str]] = Judged.lower_is_better | {"perplexity", "bits_per_byte", "ties"}

    @property
    def main_metric(self) -> str:
        return "pair_accuracy" if self.pairs else "perplexity"

    @property
    def of_tokens(self) -> bool:
        return not self.pairs

    @property
    def point(self) -> float:
        return super().point if self.pairs else 1.0

    @property
    def table_metrics(self) -> Sequence[str]:
        return pairs.METRICS if self.pairs else METRICS

    @property
    def metric_notes(self) -> Mapping[str, str]:
        return pairs.NOTES if self.pairs else {}

    def metric_names(self, examples: Dataset) -> Collection[str]:
        return self.table_metrics

    def possible_metrics(self) -> Collection[str]:
        return [*METRICS, *pairs.METRICS]

    @property
    def stated_length(self) -> None:
        return None

    # --- made from a model folder ---

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> TextGeneration:
        if record is None:
            return cls()
        return cls(text=record["columns"]["text"], max_length=record["max_length"])

    def record(self) -> dict[str, Any]:
        return {"name": self.name, "columns": {"text": self.text}, "max_length": self.max_length}

    def attached(self, tokenizer: Any) -> Self:
        if tokenizer.eos_token_id is None and tokenizer.bos_token_id is None:
            raise UserError(
                "the tokenizer has no token for the beginning or the end of a text",
                "Name the tokenizer of the model with --tokenizer.",
            )
        if tokenizer.pad_token_id is None:  # GPT-2's own: what is padded is masked
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
        return self.with_(tokenizer=tokenizer)

    def opened(self, model: Any) -> Self:
        own = getattr(model, "generation_config", None)
        return self.with_(usual_tokens=getattr(own, "max_new_tokens", None), advised=advised_by(own))

    def configured(self, options: Config) -> Self:
        if isinstance(options, TextGenerationAnswerOptions):
            settings = settings_of(options, self.usual_tokens)
            if self.advised and settings == Settings(max_new_tokens=settings.max_new_tokens, stop=settings.stop):
                reporting.current().note(
                    f"the model's generation_config.json asks for {self.advised}: give these, else the likeliest token "
                    "is written each time"
                )
            require_steps(options.show_probabilities, settings.beams)
            if options.chat and not self.tokenizer.chat_template:
                raise UserError(
                    "--chat: the tokenizer of the model has no chat template",
                    "Leave it out: the model goes on with the text as it stands. Models that were trained to converse "
                    "have one, as a rule those with -Instruct or -Chat in their names.",
                )
            return self.with_(
                settings=settings,
                prefix=options.prefix,
                chat=options.chat,
                shows_probabilities=options.show_probabilities,
                runners_up=options.runners_up if options.show_probabilities else 0,
            )
        if isinstance(options, TextGenerationJudgeOptions):
            return self.with_(stride=options.stride, ngrams_of=tuple(options.ngrams_of))
        return self

    # --- rows -> examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Prompts, see `features.prompts`, of what `inputs` made; else windows, see `features.judged` and `pairs`."""
        if "prompt" in examples:
            texts = [self.prefix + prompt for prompt in examples["prompt"]]
            if self.chat:
                texts = [features.said_by_user(tokenizer, text) for text in texts]
            wanted = self.settings.max_new_tokens
            return features.prompts(tokenizer, texts, self.model_length, wanted, templated=self.chat)
        if "good" in examples:
            return pairs.windows(tokenizer, examples, self.max_length, self.stride)
        return features.judged(tokenizer, examples["text"], self.max_length, self.stride)

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        """Prompts are padded on the left, as what is written stands behind them."""
        right = PaddingCollator(tokenizer, token_labels=True, multiple=multiple, limit=self.model_length)
        return features.PromptCollator(right, tokenizer.pad_token_id)

    def answer(self, model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is written behind each prompt, see `packed`."""
        from nlpkit.generation import loop

        ends = ends_of(model, self.tokenizer, self.settings.stop, self.model_length)
        if self.settings.beams > 1:
            texts = loop.beams(model, batch, self.settings, ends)
        else:
            noted = self.runners_up + 1 if self.runners_up else 0  # what is written may be among them
            growing = None if self.writing is None else Growing(self.tokenizer, self.settings.stop, self.writing.add)
            texts = loop.write(model, batch, self.settings, ends, runners_up=noted, on_token=growing)
            if growing is not None:
                growing.end(texts[0])
        return packed(texts, len(batch["input_ids"]), self.settings.sequences)

    @property
    def written_at_most(self) -> int:
        return self.settings.max_new_tokens * self.written_at_once

    @property
    def written_at_once(self) -> int:
        return self.settings.beams * self.settings.sequences

    def watched(self, inputs: Mapping[str, Any], writing: Writing) -> Self | None:
        """None of beams too, of which the likeliest is known at the end alone, and of several texts for a prompt."""
        if self.settings.beams > 1 or self.settings.sequences > 1:
            return None
        writing.begin(self.prefix + inputs["prompt"], shaded=self.shows_probabilities)
        return self.with_(writing=writing)

    def judge(
        self, model: Any, batch: Mapping[str, torch.Tensor], forward: Forward | None = None
    ) -> dict[str, torch.Tensor]:
        """Of each row the sums: loss in nats, right, predicted, bytes of these; shape (rows, 4)."""
        import torch

        from nlpkit.generation import language_head
        from nlpkit.tasks.contract import NAN

        labels = batch["labels"]
        total, each, right = language_head.loss_of(model, self.model_inputs(batch), labels)
        used = labels != IGNORED
        # a product would keep the NaN of an unknown token with id 0 where nothing is judged
        said = torch.where(used, self._bytes(labels.device)[labels.clamp(min=0)], 0.0)
        sums = torch.stack([column.double().sum(1) for column in (each, right, used, said)], dim=1)
        return {"sums": sums, NAN: total.isnan().any()}

    def _bytes(self, device: torch.device) -> torch.Tensor:
        """Bytes of text that each token stands for."""
        import torch

        from nlpkit.tokenization.token_bytes import bytes_per_token

        if not hasattr(self.tokenizer, "nlpkit_bytes"):
            self.tokenizer.nlpkit_bytes = torch.from_numpy(bytes_per_token(self.tokenizer)).float()
        made: torch.Tensor = self.tokenizer.nlpkit_bytes.to(device)
        return made

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> Outputs:
        """Of judged rows their sums, shape (rows, 4); of others the list of the `Text`s of each."""
        if "sums" in reduced:
            return reduced["sums"].numpy()
        return collected(reduced)

    # --- judging and answering ---

    def merge(self, outputs: Outputs, features: Mapping[str, Sequence[Any]]) -> Outputs:
        """Sums of the windows of a text added up; a prompt is one feature; for pairs see `pairs.merged`."""
        if not isinstance(outputs, np.ndarray):
            return outputs
        example = np.asarray(features["example"])
        if "side" in features:
            return pairs.merged(outputs, example, np.asarray(features["side"]))
        total = np.zeros((int(example[-1]) + 1 if len(example) else 0, outputs.shape[1]))
        np.add.at(total, example, outputs)
        return total

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        """Loss in nats a token, its exponential, bits per byte of text (where every token stands for known text), the
        share of tokens guessed right, and how many were predicted; of pairs what `pairs.score` gives.

        Raises:
            UserError: nothing could be predicted.
        """
        if self.pairs:
            return pairs.score(outputs)
        nll, right, tokens, said = outputs.sum(axis=0).tolist()
        if not tokens:
            raise UserError("the texts have no token that could be predicted", "Are they in the file's text column?")
        mean = nll / tokens
        made = {"perplexity": math.exp(min(mean, 700.0)), "loss": mean, "accuracy": right / tokens}
        if said > 0:
            made["bits_per_byte"] = nll / math.log(2) / said
        return {**made, "tokens": int(tokens)}

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence:
        """Texts, whose tokens hang together; or pairs."""
        if self.pairs:
            return pairs.evidence(outputs)
        from nlpkit.metrics.class_counts import ratio
        from nlpkit.metrics.evidence import Evidence, Share

        known = bool(outputs[:, 3].sum() > 0)

        def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            nll, right, tokens, said = (weights @ outputs).T
            mean = np.where(tokens > 0, ratio(nll, tokens), np.nan)
            bits = {"bits_per_byte": ratio(nll, said) / math.log(2)} if known else {}
            return {
                "perplexity": np.exp(np.minimum(mean, 700.0)),
                "loss": mean,
                "accuracy": ratio(right, tokens),
                **bits,
            }

        return Evidence(
            np.arange(len(outputs)), figures, {"accuracy": Share(outputs[:, 1], outputs[:, 2])}, unit="texts"
        )

    def yardsticks(self, examples: Dataset) -> Mapping[str, Judgement]:
        """Of minimal pairs the n-grams of a text that was named."""
        if not (self.pairs and self.ngrams_of):
            return {}
        from nlpkit.tasks.text_generation import counted

        return counted.yardsticks(self.ngrams_of, self.tokenizer, examples)

    def decode(self, outputs: Outputs, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers with `prediction`, what was written behind the prompt; `score`, its probability per token (geometric
        mean); `tokens`, how many; `ended`, whether it came to an end by itself. Of several texts for a prompt, the
        likeliest is the answer, and `texts` holds all. `probabilities`, where they are asked for, has a dict for each
        token: `token`, what it says by itself, `id`, `probability`, `text`, what it adds to the text, and `runners_up`,
        others with the first three."""

        def words(text: Text) -> str:
            return continuation(self.tokenizer, text.ids)[: text.characters]

        return worded(outputs, words, self._probabilities if self.shows_probabilities else None)

    def _probabilities(self, text: Text) -> list[dict[str, Any]]:
        return probabilities(self.tokenizer, text, self.runners_up)

    def cut_in_words(self, texts: int, rows: int, longest: int) -> str:
        if self.model_length is None:
            return ""
        wanted = self.settings.max_new_tokens
        room = features.room_for_prompts(self.model_length, wanted)
        return (
            f"{texts:,} of {rows:,} prompts have more than {room:,} tokens and lost their beginning, the longest has "
            f"{longest:,}; the model takes {self.model_length:,} together with what it writes (--max-new-tokens "
            f"{wanted:,})"
        )

    def unfinished(self, answer: Mapping[str, Any]) -> Sequence[str]:
        return stopped(answer, self.settings.max_new_tokens, f"{self.model_length or 0:,} tokens with the prompt")

    def no_answer(self) -> dict[str, Any]:
        return {**super().no_answer(), **nothing_written(self.settings.sequences, self.shows_probabilities)}

    # --- explaining ---

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: Outputs, asked: str | None = None
    ) -> list[Question]:
        """How probable the first token is that was written, or the tokens of a text behind the prompt."""
        require_places(tokenizer)
        prompt = example["prompt"]
        made = self.features(tokenizer, {"prompt": [prompt]})
        whole = self.prefix + prompt
        if self.chat:
            whole = features.said_by_user(tokenizer, whole)
        reading = explaining.reading(tokenizer, whole, prompt, made, templated=self.chat)
        if asked is None:
            written = likeliest(outputs[0]).ids[:1] or [tokenizer.eos_token_id]
            name = repr(said(tokenizer, written[0]))
        else:
            written, name = explaining.continued(tokenizer, whole, asked, templated=self.chat)
        return [explaining.question(reading, prompt, written, name)]

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        """The geometric mean of the probabilities of the tokens behind the prompt."""
        return sureness_of_written(forward.logits, forward.batch["labels"])


# --- what is written, for every task that writes ---


def ends_of(model: Any, tokenizer: Any, stop: Sequence[str], most: int | None) -> Ends:
    """Where texts end: at the tokens that the model's folder and the tokenizer name, or at a stop text.

    Args:
        most: tokens that the model takes, see `Ends`.
    """
    from nlpkit.generation.loop import Ends

    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ends = [*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id]
    tokens = frozenset(int(token) for token in ends if token is not None)
    return Ends(tokens, stop, partial(continuation, tokenizer), most)


def packed(texts: Sequence[Text], rows: int, sequences: int) -> dict[str, torch.Tensor]:
    """Texts as tensors: `ids` and `chances` (rows, sequences, tokens), `counts`, `ended` and `characters`, -1 for all,
    (rows, sequences); where likely tokens were noted, `likely` and `likely_chances`, with one more axis; `NAN`."""
    import torch

    from nlpkit.tasks.contract import NAN

    most = max(1, *(len(text.chances) for text in texts))

    def filled(parts: Sequence[Sequence[Any]], kind: torch.dtype, *each: int) -> torch.Tensor:
        made = torch.zeros((len(parts), most, *each), dtype=kind)
        for i, part in enumerate(parts):
            if len(part):
                made[i, : len(part)] = torch.tensor(part, dtype=kind)
        return made.view(rows, sequences, most, *each)

    def single(values: Sequence[Any]) -> torch.Tensor:
        return torch.tensor(values).view(rows, sequences)

    def likely(part: int) -> list[list[list[Any]]]:
        return [[[one[part] for one in others] for others in text.others] for text in texts]

    made = {
        NAN: torch.tensor(any(math.isnan(chance) for text in texts for chance in text.chances)),
        "ids": filled([text.ids for text in texts], torch.long),
        "chances": filled([text.chances for text in texts], torch.float64),
        "counts": single([len(text.ids) for text in texts]),
        "ended": single([text.ended for text in texts]),
        "characters": single([-1 if text.characters is None else text.characters for text in texts]),
    }
    noted = max((len(others) for text in texts for others in text.others), default=0)
    if noted:
        made["likely"] = filled(likely(0), torch.long, noted)
        made["likely_chances"] = filled(likely(1), torch.float64, noted)
    return made


def collected(reduced: Mapping[str, torch.Tensor]) -> Outputs:
    """Of what `packed` made: for each row the list of its texts."""
    from nlpkit.generation.loop import Text

    columns = {name: tensor.tolist() for name, tensor in reduced.items()}
    made = []
    for row, counts in enumerate(columns["counts"]):
        texts = []
        for i, count in enumerate(counts):
            ids, chances, characters = (columns[name][row][i] for name in ("ids", "chances", "characters"))
            likely = [columns[name][row][i][:count] for name in ("likely", "likely_chances") if name in columns]
            others = [list(zip(*both, strict=True)) for both in zip(*likely, strict=True)]
            known = None if characters < 0 else characters
            texts.append(Text(ids[:count], chances[:count], others, columns["ended"][row][i], known))
        made.append(texts)
    return made


def as_array(texts: Sequence[Text]) -> np.ndarray:
    """The texts of a row as outputs of a row are kept: float64 of shape (texts, 3 + 2 tokens), of each how many tokens
    it has, whether it ended, how many characters count (-1: all), then ids and log-probabilities."""
    most = max(len(text.ids) for text in texts)
    made = np.zeros((len(texts), 3 + 2 * most))
    for row, text in zip(made, texts, strict=True):
        count = len(text.ids)
        row[:3] = count, text.ended, -1 if text.characters is None else text.characters
        row[3 : 3 + count] = text.ids
        row[3 + most : 3 + most + count] = text.chances
    return made


def from_array(row: np.ndarray) -> list[Text]:
    """What `as_array` was given, without other likely tokens."""
    from nlpkit.generation.loop import Text

    most, made = (row.shape[1] - 3) // 2, []
    for one in row:
        count, ended, characters = map(int, one[:3])
        chances = one[3 + most : 3 + most + count].tolist()
        ids = one[3 : 3 + count].astype(np.int64).tolist()
        made.append(Text(ids, chances, [[] for _ in ids], bool(ended), None if characters < 0 else characters))
    return made


def likeliest(texts: Sequence[Text]) -> Text:
    """Of several texts of a row the one whose tokens are the most probable ones, in the mean."""
    return max(texts, key=lambda text: float(np.mean(text.chances)) if text.chances else -math.inf)


def worded(
    outputs: Outputs,
    words: Callable[[Text], str],
    probabilities: Callable[[Text], list[dict[str, Any]]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Answers of what was `collected`: the likeliest text of each row, and `texts` with all where there are several.

    Args:
        words: what a text says.
        probabilities: tells those of its tokens; None: answers have none.
    """
    for texts in outputs:
        made = []
        for text in texts:
            mean = float(np.mean(text.chances)) if text.chances else 0.0
            score = exact(math.exp(mean)) if text.chances else None
            one = {"prediction": words(text), "score": score, "tokens": len(text.ids), "ended": text.ended}
            made.append(one if probabilities is None else {**one, "probabilities": probabilities(text)})
        best = max(made, key=lambda one: -1.0 if one["score"] is None else one["score"])
        yield {**best, "texts": made} if len(made) > 1 else best


def probabilities(
    tokenizer: Any, text: Text, runners_up: int, says: Callable[[Sequence[int], int | None], str] | None = None
) -> list[dict[str, Any]]:
    """Of each token of a text `token`, what it says by itself, `id`, `probability`, `text`, what it adds to the text,
    and `runners_up`, others with the first three, where some are asked for.

    Args:
        runners_up: how many.
        says: what token ids say, see `Unfolding`.
    """

    def told(token: int, chance: float) -> dict[str, Any]:
        return {"token": said(tokenizer, token), "id": token, "probability": exact(math.exp(chance))}

    made = []
    parts = unfolded(tokenizer, text, says)
    for i, (token, chance) in enumerate(zip(text.ids, text.chances, strict=True)):
        entry = {**told(token, chance), "text": parts[i]}
        if runners_up:
            others = [one for one in text.others[i] if one[0] != token]
            entry["runners_up"] = [told(*one) for one in others[:runners_up]]
        made.append(entry)
    return made


def stopped(answer: Mapping[str, Any], most: int, taken: str) -> list[str]:
    """Of each text of an answer what stopped it before its end; "" where nothing did.

    Args:
        most: tokens that were to be written at most.
        taken: what the model takes, in words.
    """

    def by(tokens: int) -> str:
        if tokens < most:
            return f"ended where the model takes no more: {taken}"
        return f"ended at the limit of {most:,} tokens; --max-new-tokens sets another one"

    return ["" if one["ended"] else by(one["tokens"]) for one in answer.get("texts") or [answer]]


def nothing_written(sequences: int, shows_probabilities: bool) -> dict[str, Any]:
    """What stands in the place of what `worded` tells of a text, besides prediction and score."""
    texts = {"texts": None} if sequences > 1 else {}
    shown = {"probabilities": None} if shows_probabilities else {}
    return {"tokens": None, "ended": None, **shown, **texts}
