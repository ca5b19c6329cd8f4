"""nlpkit: check data, fine-tune, measure and use encoder models.

>>> import nlpkit
>>> report = nlpkit.finetune("cls", data="reviews.csv", output="runs/reviews")  # doctest: +SKIP
>>> report.metrics["validation"]["accuracy"]  # doctest: +SKIP
>>> nlpkit.Predictor(report.path).predict(["What a film!"])  # doctest: +SKIP

There is a function for each command (`dir(nlpkit)`), and `data` may be a DataFrame, a Dataset, a list of dicts or a
path. `docs/reference/python.md` tells all of it. A command is a module of `nlpkit.recipes` with a `Config` and a `run`.
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

# name -> module; functions of commands are found by the table of commands
_PLACES = {
    "Predictor": "nlpkit.api.predictor",
    "Report": "nlpkit.reporting",
    "NlpkitError": "nlpkit.errors",
    "RunError": "nlpkit.errors",
    "UserError": "nlpkit.errors",
    "open_run": "nlpkit.api.runs",
}


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


def __getattr__(name: str) -> Any:
    """What is not needed to import nlpkit is imported when it is asked for."""
    import importlib

    if name in _PLACES:
        value = getattr(importlib.import_module(_PLACES[name]), name)
    elif name.startswith("_") or _is_module(name):
        raise AttributeError(f"module 'nlpkit' has no attribute {name!r}")  # until it is imported
    else:
        from nlpkit.api import functions

        value = functions.named(name)
    globals()[name] = value
    return value


def _is_module(name: str) -> bool:
    """Whether a module or package within this one has a name."""
    place = Path(__file__).parent / name
    return place.is_dir() or place.with_suffix(".py").is_file()


def __dir__() -> list[str]:
    from nlpkit.api import functions

    return sorted({*functions.names(), "finetune", "load", "__version__", *_PLACES})
