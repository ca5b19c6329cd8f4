"""`nlpkit env`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

from conftest import Run


def test_table_shows_machine_software_and_network(nlpkit: Run) -> None:
    done = nlpkit("env", env={"OMP_NUM_THREADS": "1"})
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    groups = [line[2:].split(" ")[0] for line in lines[2:] if line[2] != " "]
    assert groups == ["machine", "software", "extras", "network", "caches", "variables"]
    assert f"torch {metadata.version('torch')}" in done.stdout
    assert "offline: only files and what is in the caches" in done.stdout
    assert any(line.split() == ["OMP_NUM_THREADS", "1"] for line in lines)


def test_json_is_one_document(nlpkit: Run) -> None:
    done = nlpkit("env", "--json", env={"OMP_NUM_THREADS": "1"})
    env = json.loads(done.stdout)
    assert env["torch"]["threads"] == 1
    assert env["versions"]["transformers"] == metadata.version("transformers")
    assert env["offline"] is True
    assert done.stderr == ""


def test_transformers_is_not_imported() -> None:
    code = (
        "import sys; from nlpkit.recipes import env; env.run(env.Config()); "
        "assert 'torch' in sys.modules and not {'transformers', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
