"""One text to another: what a model with an encoder and a decoder writes for a text (T5, BART, Marian, ...).

Transformers 5 has no pipelines for translation and summarization any more; such models are asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.generation.settings import USUAL_TOKENS, Settings
from nlpkit.generation.words import continuation
from nlpkit.options import Config
from nlpkit.tasks.contract import Task
from nlpkit.tasks.outputs import Outputs
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.text2text_generation.options import Text2TextAnswerOptions
from nlpkit.tasks.text2text_generation.record import Text2TextRecord
from nlpkit.tasks.text_generation.options import settings_of
from nlpkit.tasks.text_generation.task import collected, ends_of, packed, worded

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from nlpkit.generation.loop import Text

TRANSFORMERS_TOKENS = 20  # that transformers writes where nothing is said: a config that says so says nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class Text2Text(Task):
    """See the module's docstring.

    Args:
        text: name of the column in the user's rows.
        settings: how a text is written, as far as the user says.
        max_new_tokens, beams: as the user asks for them; None: as the model's folder says.
        prefix: what stands before each text.
        source: code of the language of the texts; None: the tokenizer's.
        begin: id of the token that says in which language to write; None: the model's.
        tokenizer: of the model.
    """

    text: str = "text"
    settings: Settings = field(default_factory=Settings)
    max_new_tokens: int | None = None
    beams: int | None = None
    prefix: str = ""
    source: str | None = None
    begin: int | None = None
    tokenizer: Any = None

    name: ClassVar[str] = "text2text-generation"
    auto_class: ClassVar[str] = "AutoModelForSeq2SeqLM"
    architectures: ClassVar[tuple[str, ...]] = (
        "ForConditionalGeneration",
        "MarianMTModel",
        "EncoderDecoderModel",
    )
    pipeline_tag: ClassVar[str | None] = "text2text-generation"
    operations: ClassVar[Sequence[str]] = ()
    predict_options: ClassVar[type[Config]] = Text2TextAnswerOptions
    record_type: ClassVar[type[TaskRecord]] = Text2TextRecord
    view_class: ClassVar[str] = "nlpkit.tasks.text2text_generation.view:Text2TextView"
    reading_class: ClassVar[str] = "nlpkit.tasks.text2text_generation.reading:Text2TextReader"
    slow_tokenizers: ClassVar[bool] = True

    # --- made from a model folder ---

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> Text2Text:
        _tell_of_prefixes(config)
        if record is None:
            return cls()
        return cls(text=record["columns"]["text"], max_length=record["max_length"])

    def record(self) -> dict[str, Any]:
        return {"name": self.name, "columns": {"text": self.text}, "max_length": self.max_length}

    def attached(self, tokenizer: Any) -> Self:
        return self.with_(tokenizer=tokenizer)

    def configured(self, options: Config) -> Self:
        if not isinstance(options, Text2TextAnswerOptions):
            return self
        if options.source_language:
            _language(self.tokenizer, options.source_language, "--source-language")
        target = options.target_language
        return self.with_(
            settings=settings_of(options, None),
            max_new_tokens=options.max_new_tokens,
            beams=options.beams if "beams" in options.given else None,
            prefix=options.prefix or "",
            begin=_language(self.tokenizer, target, "--target-language") if target else None,
            source=options.source_language,
        )

    # --- rows -> examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The texts behind the prefix, their ends cut where the model takes no more; `lost` tells how many tokens."""
        out: dict[str, list[Any]] = {"input_ids": [], "example": [], "lost": [], "length": []}
        if self.source is not None:
            tokenizer.src_lang = self.source
        for example, text in enumerate(examples["text"]):
            ids = tokenizer(self.prefix + text, verbose=False)["input_ids"]
            lost = 0 if self.max_length is None else max(len(ids) - self.max_length, 0)
            if lost:
                ids = tokenizer(self.prefix + text, truncation=True, max_length=self.max_length)["input_ids"]
            out["input_ids"].append(ids)
            out["example"].append(example)
            out["lost"].append(lost)
            out["length"].append(len(ids))
        return out

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    def answer(self, model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is written for each text: ids, their log-probabilities, how many there are, whether it ended."""
        from nlpkit.generation import loop

        settings, most = self._settled(model), decoder_length(model)
        ways = loop.beams if settings.beams > 1 else loop.write
        texts: list[Text] = ways(model, batch, settings, ends_of(model, self.tokenizer, settings.stop, most))
        return packed(texts, len(batch["input_ids"]), settings.sequences)

    def _settled(self, model: Any) -> Settings:
        """The settings, with what the model's folder says where the user says nothing."""
        own = model.generation_config
        stated = own.max_new_tokens or (own.max_length if own.max_length != TRANSFORMERS_TOKENS else None)
        beams = self.beams or (1 if self.settings.draws else own.num_beams) or 1
        tokens = self.max_new_tokens or stated or USUAL_TOKENS
        penalty = self.settings.length_penalty
        if penalty == 1 and beams > 1 and own.length_penalty is not None:
            penalty = own.length_penalty
        return replace(self.settings, max_new_tokens=tokens, beams=beams, length_penalty=penalty, begin=self.begin)

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> Outputs:
        """The texts of each row: (ids, log-probabilities, ended)."""
        return collected(reduced)

    def merge(self, outputs: Outputs, features: Mapping[str, Sequence[Any]]) -> Outputs:
        """A text is one feature."""
        return outputs

    def decode(self, outputs: Outputs, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers with `prediction`, the text that was written; `score`, its probability per token (geometric mean);
        `tokens`, how many; `ended`, whether it came to an end by itself. Of several, the likeliest is the answer, and
        `texts` holds all."""

        def words(text: Text) -> str:
            if text.characters is None:
                return str(self.tokenizer.decode(text.ids, skip_special_tokens=True)).strip()
            return continuation(self.tokenizer, text.ids)[: text.characters].strip()

        return worded(outputs, words)

    def no_answer(self) -> dict[str, Any]:
        return {**super().no_answer(), "tokens": None, "ended": None}


def decoder_length(model: Any) -> int | None:
    """Tokens that a decoder takes; None for any number (relative positions)."""
    own = getattr(model.config, "decoder", None) or model.config
    most = getattr(own, "max_decoder_position_embeddings", None) or getattr(own, "max_position_embeddings", None)
    return None if most is None else int(most)


def _language(tokenizer: Any, code: str, flag: str) -> int:
    """The id of the token of a language.

    Raises:
        UserError: the tokenizer has none such.
    """
    number = tokenizer.convert_tokens_to_ids(code)
    if number is None or number == tokenizer.unk_token_id:
        codes = [token for token in tokenizer.all_special_tokens if token not in tokenizer.special_tokens_map.values()]
        shown = ", ".join(map(str, codes[:8])) + (", ..." if len(codes) > 8 else "")
        has = f"It has: {shown}" if codes else "It has no codes of languages; T5 is told by --prefix."
        raise UserError(f"{flag} {code}: the tokenizer has no such language", has)
    return int(number)


def _tell_of_prefixes(config: PreTrainedConfig) -> None:
    """Say which prefixes a model's config names, as T5 does not know what to do without one."""
    tasks = getattr(config, "task_specific_params", None) or {}
    named = [entry["prefix"] for entry in tasks.values() if isinstance(entry, dict) and entry.get("prefix")]
    if named:
        reporting.current().note(f"the model was taught with prefixes (--prefix): {', '.join(map(repr, named))}")
