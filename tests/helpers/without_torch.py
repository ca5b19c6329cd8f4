"""Answers of a run in a process that can import none of the libraries that an exported run needs no more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import without_torch_answers

from nlpkit.models.bare import RUNTIME

BLOCKED = (
    "accelerate", "datasets", "evaluate", "huggingface_hub", "matplotlib", "pandas", "pyarrow", "safetensors", "scipy",
    "sklearn", "torch", "transformers",
)  # fmt: skip
SCRIPT = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
sys.path[:0] = json.loads(sys.argv[4])
import without_torch_answers
print(json.dumps(without_torch_answers.of(sys.argv[2], sys.argv[3])))
"""


def answers(model: Path, kind: str) -> list[Any]:
    """In this process, by transformers: the run has no file by which it could do without."""
    copy = model.with_name(f"{model.name}-copy")
    shutil.copytree(model, copy)
    (copy / RUNTIME).unlink()
    return json.loads(json.dumps(without_torch_answers.of(str(copy), kind)))


def answers_without(model: Path, kind: str) -> list[Any]:
    """In a process of its own, in which nothing of `BLOCKED` can be imported."""
    places = json.dumps([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ",".join(BLOCKED), str(model), kind, places],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
