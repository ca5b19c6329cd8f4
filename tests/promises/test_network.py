"""Nothing is sent or fetched where everything is local, and no file comes to be but in the output and in caches.

What Python code tries is seen by a hook in every process; what code in C tries, by the counters of a network that the
processes have to themselves, where `unshare` can make one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import every_command
import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
OURS = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
CACHES = (".cache/nlpkit/", ".cache/matplotlib/", ".config/matplotlib/")


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_no_command_connects_or_writes_elsewhere(tmp_path: Path, tiny_model: Path, reviews: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    unshare = ("unshare", "--user", "--map-root-user", "--net")
    alone = shutil.which("unshare") and subprocess.run([*unshare, "true"], capture_output=True).returncode == 0
    more: dict[str, Any] = {"before": unshare, "ALONE": "1"} if alone else {}
    said = every_command.run(tmp_path, tiny_model, reviews, HOME=str(home), TMPDIR=str(scratch), **more)
    assert len(said["commands"]) == 15
    assert not (tmp_path / "tries").exists(), (tmp_path / "tries").read_text()
    if alone:
        assert said["seen"]  # an attempt in C is counted here
        assert said["tried"] == 0
    stray = [name for name in files_below(home) if not name.startswith(CACHES)]
    assert stray == []
    assert files_below(scratch) == []
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.txt", "home", "out", "scratch"}


def test_the_hook_sees_an_attempt(tmp_path: Path) -> None:
    code = "import urllib.request\ntry: urllib.request.urlopen('http://192.0.2.1')\nexcept OSError as e: print(e)"
    env = {**os.environ, "PYTHONPATH": str(HERE / "watched"), "WATCHED_TRIES": str(tmp_path / "tries")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "refused by a test" in done.stdout
    assert "192.0.2.1" in (tmp_path / "tries").read_text()


@pytest.mark.parametrize("given", [None, "set by the user"])
def test_libraries_are_told_not_to_report(given: str | None) -> None:
    """By `import nlpkit`, so in Python and with --verbose too; what the user has set stays."""
    env = every_command.without(*OURS) | ({} if given is None else dict.fromkeys(OURS, given))
    code = f"import nlpkit, os; print([os.environ[name] for name in {list(OURS)}])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(list(OURS.values()) if given is None else [given] * len(OURS))


def test_pickle_that_is_read_is_not_sent_to_be_converted(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers.utils.import_utils import is_env_variable_true

    from nlpkit.models import opening

    monkeypatch.setenv("DISABLE_SAFETENSORS_CONVERSION", "")  # so that it is put back
    monkeypatch.delenv("DISABLE_SAFETENSORS_CONVERSION")
    pickled = shutil.copytree(tiny_model, tmp_path / "pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    opening.load_model(str(pickled), "AutoModel", allow_pickle=True)
    assert is_env_variable_true("DISABLE_SAFETENSORS_CONVERSION")
