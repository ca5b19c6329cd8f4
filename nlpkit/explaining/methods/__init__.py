"""The ways to tell what each word of an input is worth to an answer, by the names of --method."""

from __future__ import annotations

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
        title: what it is, in tables.
        rests_on: what it asks the model for.
        imports: what it needs besides torch and numpy; imported before it is timed.
        weak: whether it is known to tell little of the model, and stands here to be compared.
    """

    place: str
    title: str
    rests_on: Rests
    imports: Literal["", "captum", "sklearn.linear_model", "scipy.sparse.csgraph"] = ""
    weak: bool = False

    @property
    def function(self) -> Attribution:
        """Gives what each unit is worth.

        Raises:
            UserError: captum is not installed.
        """
        if self.imports == "captum":
            from nlpkit.explaining.needed import captum

            captum(self.title)
        elif self.imports:
            importlib.import_module(self.imports)
        return cast("Attribution", pkgutil.resolve_name(f"nlpkit.explaining.methods.{self.place}"))


METHODS: dict[str, Method] = {
    "erasure": Method("occlusion:erasure", "strongest words left out one after another", "answers"),
    "occlusion": Method("occlusion:occlusion", "one word masked at a time", "answers"),
    "integrated-gradients": Method(
        "gradients:integrated_gradients", "integrated gradients of 10 steps", "gradients", "captum"
    ),
    "weighted-rollout": Method("attention:weighted_rollout", "rollout of attention times gradient", "attention"),
    "masked-copies": Method(
        "copies:masked_copies", "linear model on 300 masked copies", "answers", "sklearn.linear_model"
    ),
    "shapley": Method("copies:shapley_values", "Shapley values, 25 orders", "answers", "captum"),
    "gradient-norm": Method("gradients:gradient_norm", "length of the gradient", "gradients", weak=True),
    "gradient-x-input": Method("gradients:gradient_times_input", "gradient times embedding", "gradients", weak=True),
    "attention": Method("attention:last_layer", "attention of the last layer", "attention", weak=True),
    "rollout": Method("attention:rollout", "attention through all layers", "attention", weak=True),
    "flow": Method("attention:flow", "flow of attention", "attention", "scipy.sparse.csgraph", weak=True),
}
DEFAULT = "erasure"
