"""The quickstart on the real MiniLM weights, shortened."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from nlpkit.cli.app import main
from nlpkit.models import opening

pytestmark = [pytest.mark.slow, pytest.mark.real_weights]

RECIPE = Path(__file__).parent.parent / "recipes" / "quickstart.yaml"


@pytest.fixture(scope="module")
def package() -> Path:
    """The folder of the installed package with the weights."""
    return Path(pytest.importorskip(opening.MINILM_PACKAGE).__path__[0])


def test_the_quickstart_learns(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    arguments = ["finetune-cls", "--config", str(RECIPE), "--output", str(run), "--device", "cpu"]
    short = "--max-steps 40 --batch-size 8 --learning-rate 5e-4 --threads 1 --no-baseline --json"
    assert main([*arguments, *short.split()]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["steps"] == 40
    # the sample is balanced: the majority is right in half of the rows
    assert record["metrics"]["test"]["accuracy"] > 0.7
    texts = ["Lovely little cafe, we will be back.", "The train was late again and nobody said why."]
    assert main(["predict", str(run), *texts, "--device", "cpu", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [answer["prediction"] for answer in answers] == ["positive", "negative"]


def test_minilm_is_the_installed_package(package: Path) -> None:
    assert opening.resolve("minilm") == str(package / "model")
    assert opening._sha256(package / "model" / "model.safetensors") == opening.MINILM_SHA256


def test_tampered_weights_are_refused(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / opening.MINILM_PACKAGE
    (copy / "model").mkdir(parents=True)
    (copy / "__init__.py").touch()
    weights = bytearray((package / "model" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model" / "model.safetensors").write_bytes(weights)
    shutil.copy(package / "model" / "config.json", copy / "model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, opening.MINILM_PACKAGE, raising=False)
    command = ["finetune-cls", "--data", "sample:feedback", "--output", str(tmp_path / "run"), "--device", "cpu"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert f"{copy / 'model' / 'model.safetensors'} is not the published all-MiniLM-L6-v2" in error
    assert "pip install --force-reinstall" in error
    assert not (tmp_path / "run").exists()


def test_without_the_package_minilm_is_the_hub_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MINILM_PACKAGE", "a_package_that_is_not_there")
    assert opening.resolve("minilm") == "sentence-transformers/all-MiniLM-L6-v2"
