"""Options that come with models that write."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from nlpkit.errors import UserError
from nlpkit.generation.settings import USUAL_TOKENS, Settings
from nlpkit.options import Config, SeedOptions, Strings, flag_of, option, option_like
from nlpkit.tasks.options import TextOptions

PANEL = "Writing"
LEAST_TEMPERATURE = 1e-3  # but for 0


class GenerationOptions(Config):
    """How a text is written; see `Settings`."""

    max_new_tokens: int | None = option(
        None,
        "Tokens that are written at most.",
        panel=PANEL,
        ge=1,
        shown_default=f"the model's, else {USUAL_TOKENS}",
    )
    temperature: float = option(
        0.0, "Draw tokens; below 1 the likely ones more often. 0: always the most likely one.", panel=PANEL, ge=0
    )
    top_k: int = option(0, "Draw one of the N most likely tokens; 0: of all.", panel=PANEL, ge=0)
    top_p: float = option(1.0, "Draw one of those with this probability together.", panel=PANEL, gt=0, le=1)
    min_p: float = option(
        0.0, "Draw one with at least this share of the best one's probability.", panel=PANEL, ge=0, le=1
    )
    typical_p: float = option(
        1.0, "Draw one of typical surprise, of those with this probability together.", panel=PANEL, gt=0, le=1
    )
    beams: int = option(1, "Continuations followed side by side, for the most likely text.", panel=PANEL, ge=1)
    length_penalty: float = option(1.0, "Beams: above 0 favours longer texts, below 0 shorter ones.", panel=PANEL)
    repetition_penalty: float = option(1.0, "Make tokens that stand there less likely (1.2).", panel=PANEL, gt=0)
    no_repeat_ngram: int = option(0, "No N tokens in a row come twice; 0: any may.", panel=PANEL, ge=0)
    sequences: int = option(1, "Texts for each prompt.", panel=PANEL, ge=1)
    stop: Strings = option([], "Text that ends the writing, and is left out (repeatable).", panel=PANEL, metavar="TEXT")
    seed: int = option_like(SeedOptions, "seed", help="Seed of what is drawn.", panel=PANEL)

    @field_validator("temperature")
    @classmethod
    def _divides(cls, value: float) -> float:
        """Logits that are divided by less are too large for half precision, and in the end for any."""
        if 0 < value < LEAST_TEMPERATURE:
            raise ValueError(f"give at least {LEAST_TEMPERATURE:g}, or leave temperature out for the likeliest tokens")
        return value


class ShownOptions(Config):
    """What is shown of each token that was written."""

    show_probabilities: bool = option(False, "Show how likely each token was.", panel=PANEL)
    runners_up: int = option(
        3, "Tokens listed beside each that was written.", panel=PANEL, ge=0, only_with="show_probabilities"
    )


class TextGenerationAnswerOptions(ShownOptions, GenerationOptions, TextOptions):
    """Options of `predict`."""

    prefix: str = option("", "Text that stands before each prompt.", panel=PANEL, metavar="TEXT")
    chat: bool = option(False, "Each prompt is what a user says, in the model's chat template.", panel=PANEL)


class TextGenerationJudgeOptions(TextOptions):
    """Options of `evaluate`."""

    stride: int | None = option(
        None,
        "Models that write: tokens from one window of a long text to the next; fewer: more is read before each.",
        panel="Task",
        ge=1,
        shown_default="--max-length",
    )
    ngrams_of: Strings = option(
        [],
        "Minimal pairs: text in which 1 to 5 tokens are counted, to compare with: that of the training.",
        panel="Task",
        metavar="PATH",
    )


def require_steps(shows: bool, beams: int) -> None:
    """Stop where the probability of each token is asked for, and texts are compared as a whole.

    Raises:
        UserError: saying so.
    """
    if shows and beams > 1:
        raise UserError(
            f"--show-probabilities is of texts that are written token by token, and {beams} --beams compare whole ones",
            "Leave it out, or give --beams 1.",
        )


def settings_of(options: GenerationOptions, usual: int | None, *, beams: int | None = None) -> Settings:
    """The settings that a command asks for.

    Args:
        usual: tokens that the model writes at most, where that is known.
        beams: that are followed; None: as the options say.

    Raises:
        UserError: they contradict each other.
    """
    settings = Settings(
        max_new_tokens=options.max_new_tokens or usual or USUAL_TOKENS,
        beams=beams or options.beams,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        typical_p=options.typical_p,
        repetition_penalty=options.repetition_penalty,
        no_repeat_ngram=options.no_repeat_ngram,
        length_penalty=options.length_penalty,
        sequences=options.sequences,
        stop=tuple(options.stop),
        seed=options.seed,
    )
    settings.require_sense()
    return settings


def advised_by(own: Any) -> str:
    """The options that ask for what the generation_config.json of a model asks for; "" for nothing.

    Args:
        own: its GenerationConfig; None where it has none.
    """
    drawn = ("temperature", "top_k", "top_p", "min_p", "typical_p") if getattr(own, "do_sample", None) else ()
    usual, made = Settings(), []
    for name, theirs in (
        *((name, name) for name in drawn),
        ("repetition_penalty", "repetition_penalty"),
        ("no_repeat_ngram", "no_repeat_ngram_size"),
        ("beams", "num_beams"),
    ):
        value = getattr(own, theirs, None)
        if name == "temperature" and value is None:
            value = 1.0
        if value is not None and value != getattr(usual, name):
            made.append(f"{flag_of(name)} {value:g}")
    return " ".join(made)
