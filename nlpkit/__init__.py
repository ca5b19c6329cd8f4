"""nlpkit: check data, fine-tune, measure and use encoder models.

Every subcommand is a module of `nlpkit.recipes` with a `Config` and a `run`:

>>> from nlpkit.recipes import finetune_cls
>>> report = finetune_cls.run(finetune_cls.Config(data="reviews.csv"))  # doctest: +SKIP

The model of a run, whatever `nlpkit prune` has left of its layers:

>>> import nlpkit
>>> model = nlpkit.load("runs/reviews-pruned")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# What libraries would tell others unasked. They read it when they are imported; processes that are started from here
# inherit it. ONNX Runtime reports its use to its makers, and keeps an id of this machine; the hub's client asks the hub
# for a list of programs, and says which of them calls it; `datasets` and `evaluate` have it count what is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")


def load(run: str | Path) -> Any:
    """Open the model of a run as the transformers model that it is, with its head, in evaluation mode.

    A run whose layers differ in width, or have lost attention heads, opens by this call only; for all others it does
    what `from_pretrained` of the right class does. The tokenizer opens with `AutoTokenizer.from_pretrained(run)`.

    Args:
        run: run folder, model folder or hub name.

    Returns:
        A `transformers.PreTrainedModel` in float32 on the CPU; of a folder that was exported to ONNX what is called
        like one, on tensors, and answers alike, but whose weights cannot be changed
        (`nlpkit.models.onnx.OnnxModel`).

    Raises:
        nlpkit.errors.UserError: there is no such model, or it cannot be opened.
    """
    from nlpkit.models import opening

    return opening.load(run)
