"""How the model of a run is used: lines to paste, for the shell, for nlpkit in Python, and for other programs."""

from __future__ import annotations

import json

from nlpkit.models.files import STRUCTURE
from nlpkit.overview.run import Run
from nlpkit.reporting import typed
from nlpkit.runs.files import small_text
from nlpkit.tasks import registry
from nlpkit.tasks.roles import Judged


def _has_cut_layers(run: Run) -> bool:
    """Whether layers of the model were pruned to different widths, so that it opens by `nlpkit.load` alone."""
    try:
        config = json.loads(small_text(run.path / "config.json"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and STRUCTURE in config


def snippets(run: Run) -> dict[str, str]:
    """Lines by what they are for; {} for a run that left no model, or has not come to its end."""
    if not run.complete or not run.task:
        return {}
    place = repr(str(run.path))
    quantization = run.record.get("quantization") or {}
    exported = quantization.get("file")
    if run.task not in registry.TASKS:  # an encoder, which answers nothing by itself
        return {
            "In the shell": f'nlpkit embed {typed(run.path)} "..."',
            "Transformers": f"from transformers import AutoModel\nmodel = AutoModel.from_pretrained({place})",
        }
    task = registry.task_class(run.task)
    shell = [task.view_type().example_call(run.path)]
    if issubclass(task, Judged):
        shell.append(f"nlpkit evaluate {typed(run.path)} --data new.csv")
    lines = {"In the shell": "\n".join(shell)}
    lines["In Python"] = (
        f"import nlpkit\n\nwith nlpkit.Predictor({place}) as predictor:\n"
        "    answers = predictor.predict(rows)  # texts, dicts by column, or a DataFrame\n\n"
        f"model = nlpkit.load({place})  # the model alone"
    )
    if _has_cut_layers(run):  # which no other program opens
        return lines
    if quantization.get("cache"):  # a loop, which the card shows
        return lines
    if exported:
        lines["ONNX Runtime"] = (
            "from onnxruntime import InferenceSession\n"
            "from transformers import AutoTokenizer\n\n"
            f'tokens = AutoTokenizer.from_pretrained({place})(["..."], truncation=True, return_tensors="np")\n'
            f"outputs = InferenceSession({str(run.path / str(exported))!r}).run(None, dict(tokens))"
        )
    else:
        lines["Transformers"] = (
            f"from transformers import {task.auto_class}, AutoTokenizer\n\n"
            f"tokenizer = AutoTokenizer.from_pretrained({place})\n"
            f"model = {task.auto_class}.from_pretrained({place})"
        )
    return lines
