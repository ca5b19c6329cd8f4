"""Options of `explain`."""

from __future__ import annotations

from typing import Literal

from nlpkit.errors import UserError
from nlpkit.explaining.methods import DEFAULT, METHODS
from nlpkit.nearby import nearest
from nlpkit.options import Config, Names, option

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
        "Explain this instead: a label, a word.",
        panel="Explanation",
        metavar="NAME",
        shown_default="the answer",
    )
    by: Literal["words", "tokens"] = option("words", "What is hidden together.", panel="Explanation")
    seed: int = option(42, "Of what methods draw.", panel="Explanation", ge=0)

    def methods(self) -> list[str]:
        """The names of --method.

        Raises:
            UserError: there is none of a name.
        """
        if self.method == [ALL]:
            return list(METHODS)
        for name in self.method:
            if name not in METHODS:
                meant = nearest(name, METHODS)
                raise UserError(
                    f"--method {name}: there is no such method",
                    f"Did you mean {meant}?" if meant else f"There are {', '.join(METHODS)}, and all.",
                )
        return list(dict.fromkeys(self.method))
