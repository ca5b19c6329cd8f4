"""The ways to tell what each word of an input is worth to an answer, by the names of --method."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from nlpkit.explaining.variants import Attribution

Rests = Literal["answers", "gradients", "attention"]


@dataclass(frozen=True)
class Method:
    """One way.

    Attributes:
        place: of its function, module and name.
        rests_on: what it asks the model for.
        imports: what it needs besides torch and numpy; imported before it is timed.
        weak: whether it is known to tell little of the model, and stands here to be compared.
    """

    place: str
    rests_on: Rests
    imports: Literal["", "captum.attr", "sklearn.linear_model", "scipy.sparse.csgraph"] = ""
    weak: bool = False

    @property
    def function(self) -> Attribution:
        """Gives what each unit is worth; one whose package is not installed says so when it is called."""
        if self.imports:
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(self.imports)
        return cast("Attribution", pkgutil.resolve_name(f"nlpkit.explaining.methods.{self.place}"))


METHODS: dict[str, Method] = {
    "erasure": Method("occlusion:erasure", "answers"),
    "occlusion": Method("occlusion:occlusion", "answers"),
    "integrated-gradients": Method("gradients:integrated_gradients", "gradients", "captum.attr"),
    "weighted-rollout": Method("attention:weighted_rollout", "attention"),
    "masked-copies": Method("copies:masked_copies", "answers", "sklearn.linear_model"),
    "shapley": Method("copies:shapley_values", "answers", "captum.attr"),
    "gradient-norm": Method("gradients:gradient_norm", "gradients", weak=True),
    "gradient-x-input": Method("gradients:gradient_times_input", "gradients", weak=True),
    "attention": Method("attention:last_layer", "attention", weak=True),
    "rollout": Method("attention:rollout", "attention", weak=True),
    "flow": Method("attention:flow", "attention", "scipy.sparse.csgraph", weak=True),
}
DEFAULT = "erasure"
