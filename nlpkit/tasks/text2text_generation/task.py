"""One text to another: what a model with an encoder and a decoder writes for a text (T5, BART, Marian, ...), or what a
model that goes on with texts (GPT-2, Llama, ...) was taught to answer.

Transformers 5 has no pipelines for translation and summarization any more; such models are trained, judged and asked
here.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import pairs
from nlpkit.data.collating import Collator, PaddingCollator
from nlpkit.data.findings import Finding
from nlpkit.data.ignored import IGNORED
from nlpkit.data.inputs import Content
from nlpkit.errors import UserError
from nlpkit.generation.settings import USUAL_TOKENS, Settings
from nlpkit.generation.words import Growing, continuation
from nlpkit.metrics.written import LOWER_IS_BETTER
from nlpkit.models import opening
from nlpkit.options import Config
from nlpkit.reporting import Writing
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.explained import Question, sureness_of_written
from nlpkit.tasks.features import FREE_LENGTH, PERCENTILE
from nlpkit.tasks.forward import REQUESTS, Forward, Loss, Part
from nlpkit.tasks.outputs import Outputs
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Augmentable, Explainable, Teachable
from nlpkit.tasks.text2text_generation import explaining, judging, languages, token_ids
from nlpkit.tasks.text2text_generation.options import (
    AnsweringOptions,
    LearnedOptions,
    LossOptions,
    PairOptions,
    SourceOptions,
    Text2TextAnswerOptions,
    Text2TextJudgeOptions,
)
from nlpkit.tasks.text2text_generation.record import Text2TextRecord
from nlpkit.tasks.text_generation.options import ShownOptions, require_steps, settings_of
from nlpkit.tasks.text_generation.task import (
    as_array,
    collected,
    ends_of,
    from_array,
    likeliest,
    nothing_written,
    packed,
    probabilities,
    stopped,
    worded,
)

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.generation.loop import Text
    from nlpkit.metrics.evidence import Evidence, Judgement
    from nlpkit.metrics.written import Written
    from nlpkit.tasks.contract import Task

TRANSFORMERS_TOKENS = 20  # that transformers writes where nothing is said: a config that says so says nothing
SPARE = 1.25  # of the longest text that was learned, as what is written may be longer
WATCHED = 200  # validation rows that are written for at each evaluation of a training
SEPARATOR = "\n"


@dataclass(frozen=True, eq=False, kw_only=True)
class Text2Text(Teachable, Augmentable, Explainable):
    """See the module's docstring.

    Args:
        text: name of the column in the user's rows that is turned into another; "": not known yet.
        targets: names of those of what is to be written; several are as many right answers.
        prefix_column: name of that of what stands before each text; None: there is none.
        prefix: what stands before each text, before that of its row.
        source, target: codes of the languages of texts and of what is written; None: the tokenizer's, the model's.
        measure: by what metrics answers are judged; None: those of translations, until rows are seen.
        target_length: tokens of what is to be written, with the one that ends it; None: `lengths_chosen` chooses.
        separator: what stands between a text and its answer, for a model without an encoder; None: it has one.
        smoothing: share of the probability that the loss spreads over all tokens.
        every_target: whether each right answer of a row is learned; else the first alone.
        in_passing: whether what takes long is not measured.
        compares: whether a training step gives all logits, to be compared with a teacher's.
        settings: how a text is written, as far as the user says.
        max_new_tokens, beams: as the user asks for them; None: as the model's folder says.
        asked: names of the options that the user gave: of others the model's folder decides.
        start: the token that the decoder begins with, where targets would begin with it too.
        attends_first: whether all tokens of a text attend to its first one, which the model has to be told.
        forced: whether the model's folder names the first token that is written.
        usual_tokens: that are written at most, as the model's folder says; None: it does not.
        usual_beams: as the model's folder says.
        written_length: tokens that the model writes, where that is known and limited.
        shows_probabilities: whether answers hold the probability of each token.
        runners_up: likely tokens beside each of them.
        writing: shows a text while it is written; None: nobody looks on.
        tokenizer: of the model.
    """

    text: str = ""
    targets: tuple[str, ...] = ()
    prefix_column: str | None = None
    prefix: str = ""
    source: str | None = None
    target: str | None = None
    measure: judging.Measure | None = None
    target_length: int | None = None
    separator: str | None = None
    smoothing: float = 0.0
    every_target: bool = False
    in_passing: bool = False
    compares: bool = False
    settings: Settings = field(default_factory=Settings)
    max_new_tokens: int | None = None
    beams: int | None = None
    asked: frozenset[str] = frozenset()
    start: int | None = None
    attends_first: bool = False
    forced: bool = False
    usual_tokens: int | None = None
    usual_beams: int = 1
    written_length: int | None = None
    shows_probabilities: bool = False
    runners_up: int = 0
    writing: Writing | None = None
    tokenizer: Any = None

    name: ClassVar[str] = "text2text-generation"
    auto_class: ClassVar[str] = "AutoModelForSeq2SeqLM"
    architectures: ClassVar[tuple[str, ...]] = (
        "ForConditionalGeneration",
        "MarianMTModel",
        "EncoderDecoderModel",
    )
    pipeline_tag: ClassVar[str | None] = "text2text-generation"
    trained_by: ClassVar[str] = "finetune-seq2seq"
    content: ClassVar[Content] = "pairs"
    reads: ClassVar[str] = "a text and what is to be written for it"
    operations: ClassVar[Sequence[str]] = ()
    data_options: ClassVar[type[Config]] = LearnedOptions
    predict_options: ClassVar[type[Config]] = Text2TextAnswerOptions
    evaluate_options: ClassVar[type[Config]] = Text2TextJudgeOptions
    column_options: ClassVar[type[Config]] = PairOptions
    record_type: ClassVar[type[TaskRecord]] = Text2TextRecord
    view_class: ClassVar[str] = "nlpkit.tasks.text2text_generation.view:Text2TextView"
    reading_class: ClassVar[str] = "nlpkit.tasks.text2text_generation.reading:Text2TextReader"
    slow_tokenizers: ClassVar[bool] = True
    has_head: ClassVar[bool] = False
    writes: ClassVar[bool] = True
    needs_torch: ClassVar[bool] = True
    judged_by_writing: ClassVar[bool] = True
    watched_rows: ClassVar[int | None] = WATCHED
    withheld: ClassVar[frozenset[str]] = frozenset({"labels", token_ids.ANSWERED})
    written_columns: ClassVar[tuple[str, ...]] = ("labels",)
    lower_is_better: ClassVar[frozenset[str]] = Teachable.lower_is_better | LOWER_IS_BETTER

    def __post_init__(self) -> None:
        if self.separator is not None:
            object.__setattr__(self, "auto_class", "AutoModelForCausalLM")

    @property
    def stated_length(self) -> None:
        return None

    # --- made from data, from a model folder ---

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> Text2Text:
        from nlpkit.data.places import user_columns

        asked = LearnedOptions.of(options)
        rows = splits.get("train") or next(iter(splits.values()))
        task = cls(
            max_length=asked.max_length,
            target_length=asked.max_target_length,
            prefix=asked.prefix or "",
            source=asked.source_language,
            target=asked.target_language,
            beams=asked.beams,
            separator=asked.separator,
        )
        columns = user_columns(rows.column_names)
        found = task.reader(columns, asked).task
        if not found.targets and len(columns) == 1:
            raise UserError(
                f"rows have one column alone, {columns[0]!r}: there is nothing to be written for it",
                "Give rows of two, or a file for each side: --data corpus.en,corpus.de.",
            )
        if not found.targets:
            raise UserError(
                f"no column looks like what is to be written; the columns are {', '.join(columns)}",
                "Name it with --target-columns.",
            )
        return found.with_(measure=asked.measure or judging.measured_as(rows, found.text, found.targets))

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        return pairs.is_pair(row)

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> Text2Text:
        if record is None:
            _tell_of_prefixes(config)
            return cls(separator=None if config.is_encoder_decoder else SEPARATOR)
        columns, languages = record["columns"], record["languages"]
        return cls(
            text=columns["text"],
            targets=tuple(columns["targets"]),
            prefix_column=columns["prefix"],
            max_length=record["max_length"],
            training_length=record["training_length"],
            target_length=record["target_length"],
            prefix=record["prefix"],
            source=languages["source"],
            target=languages["target"],
            measure=record["measure"],
            separator=record["separator"],
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "columns": {"text": self.text, "targets": list(self.targets), "prefix": self.prefix_column},
            "max_length": self.max_length,
            "training_length": self.training_length,
            "target_length": self.target_length,
            "prefix": self.prefix,
            "languages": {"source": self.source, "target": self.target},
            "measure": self._measure,
            "separator": self.separator,
        }

    @classmethod
    def claims(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None, place: Any) -> Claim | None:
        claim = super().claims(config, record, place)
        return None if claim is Claim.ARCHITECTURE and not config.is_encoder_decoder else claim

    def begun_with(self, config: PreTrainedConfig, record: Mapping[str, Any] | None, options: Config) -> Self:
        """With the prefix and the languages of a model that was trained for the task before; and with what parts a text
        from its answer, where the model has no encoder."""
        asked, task = LearnedOptions.of(options), self
        if record and record.get("name") == self.name:
            taken = {
                "prefix": record.get("prefix") or "",
                "source": (record.get("languages") or {}).get("source"),
                "target": (record.get("languages") or {}).get("target"),
            }
            given = {"prefix": asked.prefix, "source": asked.source_language, "target": asked.target_language}
            taken = {name: value for name, value in taken.items() if value and given[name] is None}
            if taken:
                told = ", ".join(f"{name} {value!r}" for name, value in taken.items())
                reporting.current().note(f"as the model was trained before: {told}")
            task = task.with_(**taken)
        if config.is_encoder_decoder:
            if asked.separator is not None:
                raise UserError(
                    f"--separator: {config.model_type} has an encoder, which reads the text by itself", "Leave it out."
                )
            return task
        known = record.get("separator") if record and record.get("name") == self.name else None
        separator = asked.separator if asked.separator is not None else known or SEPARATOR
        reporting.current().note(
            f"{config.model_type} has no encoder: it is trained to go on from each text and {separator!r} "
            "(--separator) with the answer, of which alone there is a loss"
        )
        return task.with_(separator=separator)

    def attached(self, tokenizer: Any) -> Self:
        if self.separator is not None:
            if tokenizer.eos_token_id is None:
                raise UserError(
                    "the tokenizer has no token for the end of a text", "Name the tokenizer of the model: --tokenizer."
                )
            if tokenizer.pad_token_id is None:  # GPT-2's own: what is padded is masked
                tokenizer.pad_token = tokenizer.eos_token
            tokenizer.padding_side = "left"  # an answer stands behind its text
        languages.require(tokenizer, self.source, self.target)
        languages.mark(tokenizer, self.source, self.target)  # as it is saved with a model
        return self.with_(tokenizer=tokenizer)

    def opened(self, model: Any) -> Self:
        own = getattr(model, "generation_config", None)
        begin = None if self.separator is not None else getattr(model.config, "decoder_start_token_id", None)
        return self.with_(
            start=begin,
            attends_first=_attends_first(model),
            forced=getattr(own, "forced_bos_token_id", None) is not None,
            usual_tokens=None if own is None else _usual_tokens(own, encoder=self.separator is None),
            usual_beams=getattr(own, "num_beams", None) or 1,
            written_length=opening.writes(model.config, model),
        )

    def for_model(self, model: Any, tokenizer: Any, device: str) -> Self:
        """With the tokenizer; the model's folder will say how long it writes, with how many beams, where it ends."""
        from nlpkit.generation import language_head

        task = self.attached(tokenizer)
        language_head.of(model)  # which is tried out before the model is on its device
        own = model.generation_config
        own.max_new_tokens, own.max_length = self.max_new_tokens, None
        own.pad_token_id = tokenizer.pad_token_id
        _settle_writing(own, self.beams or own.num_beams or 1)
        if self.separator is not None:
            own.eos_token_id = tokenizer.eos_token_id
            return task
        if said := languages.unnamed(tokenizer, self.source, self.target):
            reporting.current().warn(said)
        start, begin = task._first_tokens()
        if begin is not None:
            own.forced_bos_token_id = begin
        if start is not None:
            model.config.decoder_start_token_id = own.decoder_start_token_id = start
        return task.opened(model)

    def _first_tokens(self) -> tuple[int | None, int | None]:
        """The token that the decoder begins with, and the first that is written, where one of them says in which
        language; None: the model's."""
        if self.target is None:
            return None, None
        language = languages.ids(self.tokenizer)[self.target]
        return (None, language) if languages.begins(self.tokenizer, self.target) else (language, None)

    def configured(self, options: Config) -> Self:
        task = self
        if isinstance(options, SourceOptions):
            task = task.with_(
                prefix=self.prefix if options.prefix is None else options.prefix,
                source=options.source_language or self.source,
                target=options.target_language or self.target,
            ).attached(self.tokenizer)
            if not task.forced and (said := languages.unnamed(self.tokenizer, task.source, task.target)):
                reporting.current().note(said)
        if isinstance(options, AnsweringOptions):
            beams = options.beams if "beams" in options.given else None
            followed = beams or (1 if options.temperature else self.usual_beams)
            task = task.with_(
                settings=settings_of(options, None, beams=followed),
                max_new_tokens=options.max_new_tokens,
                beams=beams,
                asked=options.given,
            )
        if isinstance(options, Text2TextJudgeOptions) and options.measure:
            task = task.with_(measure=options.measure)
        if isinstance(options, ShownOptions):
            require_steps(options.show_probabilities, task._beams)
            task = task.with_(
                shows_probabilities=options.show_probabilities,
                runners_up=options.runners_up if options.show_probabilities else 0,
            )
        return task

    def texts_learned(self, train: Dataset) -> list[tuple[str, str]]:
        columns = zip(train["prefix"][:], train["text"][:], train["targets"][:], strict=True)
        return [(self.prefix + prefix + text, target) for prefix, text, targets in columns for target in targets]

    @property
    def longest_asked(self) -> int | None:
        return max(self.max_length or 0, self.target_length or 0) or None

    def with_loss(self, options: Config, train: Dataset) -> Self:
        return self.with_(smoothing=LossOptions.of(options).label_smoothing)

    def for_training(self) -> Self:
        return super().for_training().with_(every_target=True)

    def as_begun(self, was: Task) -> Self:
        assert isinstance(was, Text2Text)
        return super().as_begun(was).with_(target_length=self.target_length or was.target_length)

    def while_training(self) -> Self:
        """Without beams, and judged by what costs little."""
        return self.with_(beams=1, in_passing=True)

    def describe(self) -> str:
        said = f"{self.name}: '{self.text}' to {' and '.join(map(repr, self.targets))}, judged as a {self._measure}"
        if self.source or self.target:
            said += f"; {self.source or 'any language'} to {self.target or 'the language of the model'}"
        return said + (f"; {self.prefix!r} stands before each" if self.prefix else "")

    # --- rows -> examples -> features ---

    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:
        return pairs.noticed(examples)

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        return [len(ids) for ids in self._read(tokenizer, examples, None).ids]

    def tokens_in(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> int:
        targets = [target for targets in examples["targets"] for target in targets]
        return super().tokens_in(tokenizer, examples) + sum(map(len, self._written(tokenizer, targets, None).ids))

    def lengths_chosen(self, tokenizer: Any, rows: Mapping[str, Sequence[Any]], most: int | None) -> tuple[Self, str]:
        """How long what is to be written may be: as texts, the 99.5th percentile but no less than 128 tokens; and how
        many tokens the model will write at most: a quarter more than the longest that it learns from."""
        if self.separator is None and token_ids.end_of(tokenizer) is None:
            raise UserError(
                "the tokenizer has no token for the end of a text: a model could not learn to stop",
                "Name one that has: --tokenizer.",
            )
        flat = [target for targets in rows["targets"] for target in targets]
        lengths = [len(ids) for ids in self._written(tokenizer, flat, None).ids]
        # a model without an encoder has room for a text and its answer together
        room = most if most is None or self.separator is None else most - 1
        if self.target_length and room is not None and self.target_length > room:
            raise UserError(
                f"--max-target-length {self.target_length}: the model writes at most {room} tokens",
                f"Use {room} or less.",
            )
        bound = most if most is None or self.separator is None else most // 2
        limit = token_ids.length(lengths, PERCENTILE, FREE_LENGTH)
        limit = self.target_length or min(limit, bound or limit)
        longest = max(lengths)
        most_written = min(token_ids.length([int(SPARE * min(longest, limit))], 100, 1), bound or limit)
        over = sum(length > limit for length in lengths)
        said = (
            f"written: {limit} tokens; {over:,} of {len(lengths):,} ({over / len(lengths):.1%}) are longer; median "
            f"{int(np.median(lengths))}, longest {longest}; the model will write up to {most_written}"
        )
        return self.with_(target_length=limit, max_new_tokens=self.max_new_tokens or most_written), said

    def length_findings(self, tokenizer: Any, examples: Mapping[str, Dataset]) -> list[Finding]:
        found = []
        for split, rows in examples.items():
            targets = [target for targets in rows["targets"][:] for target in targets]
            found += self._unwritten(self._written(tokenizer, targets, self.target_length).lost, split)
        return found

    def also_cut(self, made: Mapping[str, Sequence[Any]], split: str) -> list[Finding]:
        return self._unwritten(made["unwritten"], split)

    def _unwritten(self, lost: Sequence[int], split: str) -> list[Finding]:
        """Which targets of train are cut: a model learns to stop there. Of other splits they are judged whole."""
        cut = int(np.count_nonzero(lost))
        if not cut or split != "train":
            return []
        message = (
            f"{split}: {cut:,} of {len(lost):,} texts to be written are longer than {self.target_length} tokens and "
            "are cut there: a model learns to end in the middle; see --max-target-length"
        )
        return [Finding("warning", "target-cut", message, cut)]

    @property
    def feature_settings(self) -> str:
        return repr((self.every_target, self.start, self.separator is not None and self.model_length))

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The texts behind their prefixes, and as `labels` what is to be written, of several the first, or each as a
        feature of its own (`every_target`); `lost` counts the tokens of a text that are cut off."""
        read = self._read(tokenizer, examples, self.max_length)
        made: dict[str, list[Any]] = {
            name: [] for name in ("input_ids", "example", "lost", "longest", "length", "unwritten")
        }
        if "targets" in examples:
            made["labels"] = []
        for i, (ids, lost) in enumerate(zip(*read, strict=True)):
            labels = token_ids.Cut([[]], [0])
            if "targets" in examples and examples["targets"][i]:
                wanted = examples["targets"][i] if self.every_target else examples["targets"][i][:1]
                labels = self._written(tokenizer, wanted, self.target_length)
            if "labels" in made:
                made["labels"] += labels.ids
            made["unwritten"] += labels.lost
            for number, each in enumerate(labels.ids):
                made["input_ids"].append(ids)
                made["example"].append(i)
                made["lost"].append(0 if number else lost)
                made["longest"].append(len(ids) + lost)
                made["length"].append(len(ids) + len(each))
        return made

    def _read(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]], limit: int | None) -> token_ids.Cut:
        languages.mark(tokenizer, self.source, self.target)  # another request may have asked for others
        before = [self.prefix + prefix for prefix in examples.get("prefix") or [""] * len(examples["text"])]
        if self.separator is not None:
            room = self._room(limit)
            return token_ids.prompts(tokenizer, before, examples["text"], self.separator, room)
        texts = [prefix + text for prefix, text in zip(before, examples["text"], strict=True)]
        return token_ids.read(tokenizer, texts, limit)

    def _room(self, limit: int | None) -> int | None:
        """Tokens of a text that a model without an encoder reads, which takes the answer in the same window.

        Args:
            limit: asked for or chosen; None: any number.
        """
        if self.model_length is None:
            return limit
        room = max(self.model_length - (self.target_length or 0), 1)
        return room if limit is None else min(limit, room)

    def cut_in_words(self, texts: int, rows: int, longest: int) -> str:
        if self.separator is None or self.model_length is None:
            return ""
        return (
            f"{texts:,} of {rows:,} texts have more than {self._room(self.max_length)} tokens with what stands around "
            f"them and lost their ends, the longest has {longest:,}; the model takes {self.model_length:,} together "
            f"with the answer (--max-target-length {self.target_length})"
        )

    def _written(self, tokenizer: Any, texts: Sequence[str], limit: int | None) -> token_ids.Cut:
        languages.mark(tokenizer, self.source, self.target)
        if self.separator is not None:
            return token_ids.answers(tokenizer, texts, limit)
        return token_ids.written(tokenizer, texts, limit, self.start)

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        inputs = PaddingCollator(tokenizer, multiple=multiple, limit=self.model_length)
        return token_ids.Collator(inputs, multiple, attends_first=self.attends_first)

    def run(self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Part] = ()) -> Forward:
        """The logits of each token that is to be written, where the right ones before it are known: shape (rows,
        tokens, vocabulary), beside `labels`."""
        inputs, _ = self._teaching(model, batch)
        outputs = model(**inputs, use_cache=False, **{REQUESTS[part]: True for part in want})
        logits = outputs["logits"]
        if self.separator is None:
            hidden, attentions = "decoder_hidden_states", "cross_attentions"
        else:  # those that foretell the answer's tokens
            hidden, attentions = "hidden_states", "attentions"
            logits = logits[:, batch["input_ids"].shape[1] - 1 : -1]
        return Forward(
            batch,
            logits,
            hidden=outputs[hidden] if "hidden" in want else None,
            attentions=outputs[attentions] if "attentions" in want else None,
            read=outputs["encoder_attentions"] if "attentions" in want and self.separator is None else None,
        )

    def _teaching(self, model: Any, batch: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """What the model is given where the right tokens are known, and which token its state at each place is to
        foretell; IGNORED: none."""
        import torch

        labels = batch["labels"]
        if self.separator is None:
            known = self._known(getattr(model, "module", model), batch)  # a model of several processes has one inside
            return {**self.model_inputs(batch), "decoder_input_ids": known}, labels
        there = labels != IGNORED
        ids = torch.cat([batch["input_ids"], labels.where(there, self.tokenizer.pad_token_id)], dim=1)
        mask = torch.cat([batch["attention_mask"], there.to(batch["attention_mask"].dtype)], dim=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        nothing = torch.full_like(batch["input_ids"], IGNORED)
        foretold = torch.cat([nothing[:, 1:], labels, nothing[:, :1]], dim=1)
        return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}, foretold

    def _known(self, model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What a decoder reads where the tokens before each are known."""
        if token_ids.ANSWERED not in batch:
            return token_ids.known_before(model, batch["labels"])
        from nlpkit.generation.loop import decoder_start

        known = batch[token_ids.ANSWERED]
        return known.masked_fill(known < 0, decoder_start(model, self._first_tokens()[0]))

    def training_step(
        self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Part] = ()
    ) -> tuple[Loss, Forward]:
        """The loss of `loss`, by parts of the tokens: the logits of a vocabulary are never in memory whole, and the
        forward pass holds none, unless they are compared with a teacher's."""
        if want or self.compares:
            return super().training_step(model, batch, want)
        from nlpkit.generation import language_head

        inputs, foretold = self._teaching(model, batch)
        head = language_head.of(getattr(model, "module", model))
        total, _, _ = head.loss(model, inputs, foretold, self.smoothing)
        return Loss(total, (foretold != IGNORED).sum()), Forward(batch, total.new_empty(0))

    def loss(self, forward: Forward) -> Loss:
        """Cross-entropy of the tokens that are to be written; in training a share of the probability is spread over all
        tokens (label smoothing)."""
        import torch.nn.functional as F

        labels, logits = forward.batch["labels"], forward.logits
        total = F.cross_entropy(
            logits.float().flatten(0, 1),
            labels.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.smoothing if logits.requires_grad else 0.0,
        )
        return Loss(total, (labels != IGNORED).sum())

    # --- learning from a teacher ---

    def comparing(self) -> Self:
        return self.with_(compares=True)

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """T^2 KL of the distributions over the next token, at each token that is to be written (Kim and Rush 2016,
        section 3.1).

        Of vocabularies that are padded to different sizes the pieces that both have are compared.
        """
        from nlpkit.tasks import soft_losses

        there = student.batch["labels"] != IGNORED
        if not there.shape == student.logits.shape[:-1] == teacher.logits.shape[:-1]:
            raise ValueError("logits at each token of the targets are asked for: see `comparing`")
        pieces = min(student.logits.shape[-1], teacher.logits.shape[-1])
        each = soft_losses.soft_targets(student.logits[..., :pieces], teacher.logits[..., :pieces], temperature)
        return Loss(each.where(there, 0.0).sum(), there.sum())

    def soft_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | int:
        return (batch["labels"] != IGNORED).sum()

    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        return {**example, "targets": []}

    @property
    def keeps_logits(self) -> bool:
        """No: there is a number for each piece of the vocabulary at each token."""
        return False

    @property
    def logit_settings(self) -> str:
        written = self.beams, self.max_new_tokens, self.target, self.settings
        return repr((*written, self.max_length, self.target_length, self.separator))

    def written_by(self, beams: int | None) -> Self:
        return self.with_(beams=beams, settings=Settings())

    def written(self, outputs: Outputs) -> list[tuple[str, bool]]:
        return [(answer["prediction"], answer["ended"]) for answer in self.decode(outputs, ())]

    def retold(self, examples: Dataset, texts: Sequence[str]) -> Dataset:
        kind = examples.features["targets"]
        return examples.remove_columns("targets").add_column("targets", [[text] for text in texts], feature=kind)

    # --- answering ---

    def answer(self, model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is written for each text: ids, their log-probabilities, how many there are, whether it ended."""
        from nlpkit.generation import loop

        settings = self._settled(model)
        ends = ends_of(model, self.tokenizer, settings.stop, opening.writes(model.config, model))
        if settings.beams > 1:
            texts = loop.beams(model, batch, settings, ends)
        else:
            noted = self.runners_up + 1 if self.runners_up else 0  # what is written may be among them
            growing = None
            if self.writing is not None:
                growing = Growing(self.tokenizer, settings.stop, self.writing.add, self._words)
            texts = loop.write(model, batch, settings, ends, runners_up=noted, on_token=growing)
            if growing is not None:
                growing.end(texts[0])
        return packed(texts, len(batch["input_ids"]), settings.sequences)

    @property
    def written_at_most(self) -> int:
        return (self.max_new_tokens or USUAL_TOKENS) * self.written_at_once

    @property
    def written_at_once(self) -> int:
        return max(self._beams, 1) * self.settings.sequences

    def watched(self, inputs: Mapping[str, Any], writing: Writing) -> Self | None:
        """None of beams too, of which the likeliest is known at the end alone, and of several texts."""
        if self._beams > 1 or self.settings.sequences > 1:
            return None
        writing.begin("", shaded=self.shows_probabilities)
        return self.with_(writing=writing)

    def judge(
        self, model: Any, batch: Mapping[str, torch.Tensor], forward: Forward | None = None
    ) -> dict[str, torch.Tensor]:
        """As `answer`: what is judged is what is written, whatever the model gives where right tokens are known."""
        return self.answer(model, batch)

    def _settled(self, model: Any) -> Settings:
        """The settings, with what the model's folder says where the user says nothing."""
        own, beams = model.generation_config, self._beams
        tokens = self.max_new_tokens or _usual_tokens(own, encoder=self.separator is None) or USUAL_TOKENS
        usual: dict[str, Any] = {}
        if "length_penalty" not in self.asked and beams > 1 and own.length_penalty is not None:
            usual["length_penalty"] = own.length_penalty
        repeats = _asked_of_repeats(own)
        if "no_repeat_ngram" not in self.asked:
            usual["no_repeat_ngram"] = repeats["no_repeat_ngram_size"]
        if "repetition_penalty" not in self.asked:
            usual["repetition_penalty"] = repeats["repetition_penalty"] or 1.0
        start, begin = self._first_tokens()
        return replace(self.settings, max_new_tokens=tokens, beams=beams, start=start, begin=begin, **usual)

    @property
    def _beams(self) -> int:
        """As the user says, else as the model's folder does, unless tokens are drawn."""
        return self.beams or (1 if self.settings.draws else self.usual_beams)

    # --- judging and answering ---

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> Outputs:
        """The texts of each row: (ids, log-probabilities, ended)."""
        return collected(reduced)

    def merge(self, outputs: Outputs, features: Mapping[str, Sequence[Any]]) -> list[Any]:
        """The texts of each example, see `as_array`, or as they are where likely tokens were noted with them; of an
        example with several features those of the first."""
        rows = dict(zip(reversed(list(features["example"])), reversed(outputs), strict=True))
        return [rows[example] if self.runners_up else as_array(rows[example]) for example in sorted(rows)]

    @property
    def _measure(self) -> judging.Measure:
        return self.measure or "translation"

    @property
    def main_metric(self) -> str:
        return judging.MAIN[self._measure]

    @property
    def table_metrics(self) -> Sequence[str]:
        return judging.SHOWN[self._measure]

    @property
    def point(self) -> float:
        return 1.0

    def possible_metrics(self) -> Collection[str]:
        from nlpkit.metrics import written

        return written.NAMES

    def metric_names(self, examples: Dataset) -> Collection[str]:
        edits = self._measure == "translation" and not self.in_passing
        return [name for name in self.possible_metrics() if name != "ter" or edits]

    def compared(self, outputs: Outputs, examples: Dataset) -> Written:
        """What was written beside what was to be written."""
        answers = list(self.decode(outputs, ()))
        said, ended = ([answer[name] for answer in answers] for name in ("prediction", "ended"))
        return judging.compared(self._measure, said, examples, ended, whole=not self.in_passing)

    def score(self, outputs: Outputs, examples: Dataset) -> dict[str, float]:
        return self.compared(outputs, examples).metrics()

    def evidence(self, outputs: Outputs, examples: Dataset) -> Evidence | None:
        return self.compared(outputs, examples).evidence()

    def details(self, outputs: Outputs, examples: Dataset) -> dict[str, Any]:
        return judging.details(self._measure, self.compared(outputs, examples), len(examples))

    def yardsticks(self, examples: Dataset) -> Mapping[str, Judgement]:
        return judging.yardsticks(self._measure, examples)

    def said(self, outputs: Outputs) -> list[str]:
        """What was written for each row, of several texts the likeliest."""
        return [answer["prediction"] for answer in self.decode(outputs, ())]

    def decode(self, outputs: Outputs, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers with `prediction`, the text that was written; `score`, its probability per token (geometric mean);
        `tokens`, how many; `ended`, whether it came to an end by itself. Of several, the likeliest is the answer, and
        `texts` holds all. `probabilities`, where they are asked for, are those of `probabilities` for each token."""

        def shown(text: Text) -> list[dict[str, Any]]:
            return probabilities(self.tokenizer, text, self.runners_up, self._words)

        return worded(
            outputs if self.runners_up else map(from_array, outputs),
            lambda text: self._words(text.ids, text.characters),
            shown if self.shows_probabilities else None,
        )

    def _words(self, ids: Sequence[int], characters: int | None) -> str:
        """What tokens say as a text of its own; with `characters`, as many of what they say behind another."""
        if characters is None:
            return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()
        return continuation(self.tokenizer, ids)[:characters].strip()

    def unfinished(self, answer: Mapping[str, Any]) -> Sequence[str]:
        most = self.max_new_tokens or self.usual_tokens or USUAL_TOKENS
        with_text = "" if self.separator is None else " with the text"
        return stopped(answer, most, f"{self.written_length or 0:,} tokens{with_text}")

    def no_answer(self) -> dict[str, Any]:
        return {**super().no_answer(), **nothing_written(self.settings.sequences, self.shows_probabilities)}

    # --- explaining ---

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: Outputs, asked: str | None = None
    ) -> list[Question]:
        """How probable what was written is, or another text: the geometric mean over its tokens, without the one that
        ends it."""
        text, before = example["text"], self.prefix + (example.get("prefix") or "")
        made = self.features(tokenizer, {"text": [text], "prefix": [example.get("prefix") or ""]})
        if asked is None:
            written = likeliest(outputs[0] if self.runners_up else from_array(outputs[0])).ids
        else:
            written = explaining.unended(tokenizer, self._written(tokenizer, [asked], None).ids[0])
        if not written:
            raise UserError("there is nothing written that could be explained", "Name a text: --target TEXT.")
        around = (before, self.separator or "")
        reading = explaining.reading(tokenizer, text, around, made, encoder=self.separator is None)
        return [explaining.question(reading, text, written, repr(self._words(written, None)))]

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return sureness_of_written(forward.logits, forward.batch["labels"])


def _settle_writing(own: Any, beams: int) -> None:
    """What becomes of how a model's folder has it write, once it is trained to write something else; it is told.

    Args:
        own: its GenerationConfig, changed in place.
        beams: that are followed from now on.
    """
    own.num_beams = beams
    if beams == 1:  # transformers saves nothing that is of beams without them
        own.early_stopping, own.length_penalty = False, 1.0
    # a text whose end is forced could not be told from one that ended by itself
    own.forced_eos_token_id = None
    said = []
    if own.min_length or own.min_new_tokens:
        said.append(f"the least length of {own.min_length or own.min_new_tokens} tokens is dropped")
        own.min_length, own.min_new_tokens = 0, None
    kept = {name: value for name, value in _asked_of_repeats(own).items() if value}
    said += [f"{name} {value:g} stays" for name, value in kept.items()]
    if beams > 1:
        said.append(f"{beams} beams are followed at the end, and by default afterwards")
    if said:
        reporting.current().note(f"how the model's folder has it write: {'; '.join(said)} (generation_config.json)")


def _asked_of_repeats(own: Any) -> dict[str, float]:
    """What a model's folder asks for against repeats, by the names in generation_config.json; 0: nothing."""
    penalty = own.repetition_penalty
    return {
        "no_repeat_ngram_size": own.no_repeat_ngram_size or 0,
        "repetition_penalty": 0 if penalty in (None, 1.0) else penalty,
    }


def _usual_tokens(own: Any, *, encoder: bool) -> int | None:
    """Tokens that a model's folder has it write at most; None: it does not say.

    Args:
        own: its GenerationConfig.
        encoder: whether the model has one: the length that is stated is with what a decoder begins with then, else with
            the text that is read, which tells nothing of the answer.
    """
    if own.max_new_tokens:
        return int(own.max_new_tokens)
    stated = own.max_length
    return None if not encoder or stated in (None, TRANSFORMERS_TOKENS) else max(int(stated) - 1, 1)


def _attends_first(model: Any) -> bool:
    """Whether all tokens of a text attend to its first one, which a model has to be told (LED)."""
    forward = getattr(model, "forward", None)  # a graph has none
    return forward is not None and "global_attention_mask" in inspect.signature(forward).parameters


def _tell_of_prefixes(config: PreTrainedConfig) -> None:
    """Say which prefixes a model's config names, as T5 does not know what to do without one."""
    tasks = getattr(config, "task_specific_params", None) or {}
    named = [entry["prefix"] for entry in tasks.values() if isinstance(entry, dict) and entry.get("prefix")]
    if named:
        reporting.current().note(f"the model was taught with prefixes (--prefix): {', '.join(map(repr, named))}")
