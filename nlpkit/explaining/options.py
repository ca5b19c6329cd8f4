"""Options of `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpkit.errors import UserError
from nlpkit.explaining.methods import DEFAULT, METHODS
from nlpkit.nearby import nearest
from nlpkit.options import Config, Names, OnlyWith, option, option_like
from nlpkit.tasks.text_generation.options import GenerationOptions

ALL = "all"


class AttributionOptions(Config):
    """What is explained, by which methods."""

    method: Names = option(
        [DEFAULT],
        f"Ways to tell what words are worth: {', '.join(name for name, one in METHODS.items() if not one.weak)}; all.",
        panel="Explanation",
        metavar="NAME,...",
    )
    target: str | None = option(
        None,
        "Explain this: a label, a word.",
        panel="Explanation",
        metavar="NAME",
        shown_default="its answer",
    )
    by: Literal["words", "tokens"] = option("words", "What is hidden together.", panel="Explanation")
    seed: int = option_like(GenerationOptions, "seed")  # a model that writes draws by the same

    counterfactual: Literal["remove", "mask", "replace", "synonyms"] | None = option(
        None,
        "Seek the fewest words to change the answer.",
        panel="Explanation",
        shown_default="no",
    )
    filler: str | None = option(
        None,
        "Model that fills masks, for other words.",
        panel="Explanation",
        metavar="MODEL",
        only_with=OnlyWith(("counterfactual",), ("replace",), " is for --counterfactual replace"),
    )
    synonyms: Path | None = option(
        None,
        "Table of synonyms: tabs, columns lemma and synonyms.",
        panel="Explanation",
        metavar="FILE",
        only_with=OnlyWith(("counterfactual",), ("synonyms",), " is for --counterfactual synonyms"),
    )

    evaluate: bool = option(False, "Judge --method all on the rows of --data: a table.", panel="Evaluation")
    data: str | None = option(
        None, "File whose rows methods are judged on.", panel="Evaluation", metavar="FILE", only_with="evaluate"
    )
    max_rows: int = option(100, "Rows that are drawn of it.", panel="Evaluation", ge=2, only_with="evaluate")
    bounds: int = option(
        10,
        "Rows of which the best and the worst order of words are sought, for figures that compare between models.",
        panel="Evaluation",
        ge=0,
        only_with="evaluate",
    )

    def require_counterfactual(self) -> None:
        """Raises UserError: what stands in the place of words is not named."""
        if self.counterfactual == "replace" and self.filler is None:
            raise UserError("--counterfactual replace: no model that proposes words is named", "Add --filler MODEL.")
        if self.counterfactual == "synonyms" and self.synonyms is None:
            raise UserError("--counterfactual synonyms: no table of synonyms is named", "Name one: --synonyms FILE.")
        if self.counterfactual is not None and self.target is not None:
            raise UserError(
                "--counterfactual changes what the model answers, and --target explains another answer",
                "Leave one of them out.",
            )
        if self.counterfactual is not None and self.by != "words":
            raise UserError("--counterfactual changes words, not tokens", "Leave out --by tokens.")

    def methods(self) -> list[str]:
        """The names of --method.

        Raises:
            UserError: there is none of a name.
        """
        if self.method == [ALL] or (self.evaluate and "method" not in self.given):
            return list(METHODS)
        for name in self.method:
            if name not in METHODS:
                meant = nearest(name, METHODS)
                raise UserError(
                    f"--method {name}: there is no such method",
                    f"Did you mean {meant}?" if meant else f"There are {', '.join(METHODS)}, and all.",
                )
        return list(dict.fromkeys(self.method))
