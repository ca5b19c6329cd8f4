"""Options that come with masked language modelling."""

from __future__ import annotations

from nlpkit.options import SeedOptions, Strings, option, option_like
from nlpkit.tasks.options import LengthOptions, TextOptions

MLM_PROBABILITY = 0.15  # BERT (Devlin et al. 2019, section 3.1)
SEED = 42
TOP_K = 5


class MaskedLMOptions(LengthOptions, TextOptions):
    """Options of the task itself."""


class MaskedLMAnswerOptions(TextOptions):
    """Options of `predict`."""

    top_k: int = option(TOP_K, "Masked LM: candidates for each mask.", panel="Output", ge=1)
    hint: Strings = option(
        [],
        "Masked LM: what the model reads before TEXT, as its translation (repeatable: one for all, or one for each).",
        panel="Input",
    )
    hint_column: str | None = option(None, "Masked LM: column of such hints.", panel="Data")


class MaskedLMJudgeOptions(TextOptions):
    """Options of `evaluate`."""

    mlm_probability: float | None = option(
        None, "Masked LM: share of the tokens predicted.", panel="Task", gt=0, lt=1, shown_default="as trained, or 0.15"
    )
    seed: int = option_like(SeedOptions, "seed", SEED, "Masked LM: seed of the masks.", panel="Task")
