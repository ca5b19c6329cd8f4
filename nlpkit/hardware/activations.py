"""GPT-2's GELU as one operation.

transformers computes it as it was first written down, in eight operations that each read and write all of the
feed-forward layer; on a CPU they take as long as the products of that layer. torch has the same formula as one, which
rounds differently by some 1e-7 of a number.
"""

from __future__ import annotations

import sys
from typing import Any

from torch import nn


def use_fused(model: Any) -> None:
    """Replace every GELU of GPT-2's kind (also ALBERT's, and T5 1.1's) by torch's own, in place."""
    written_out = getattr(sys.modules.get("transformers.activations"), "NewGELUActivation", None)
    if written_out is None:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is written_out:
                setattr(module, name, nn.GELU(approximate="tanh"))
