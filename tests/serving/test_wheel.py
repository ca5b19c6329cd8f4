"""nlpkit itself in an image: its wheel."""

from __future__ import annotations

import json
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import nlpkit
from nlpkit.errors import UserError
from nlpkit.serving.deployment import wheel


@pytest.mark.slow
def test_a_wheel_of_a_checkout_holds_what_runs_here(tmp_path: Path) -> None:
    checkout = Path(nlpkit.__file__).parent.parent
    before = {item.name for item in checkout.iterdir()}

    name = wheel.requirement(tmp_path)

    with zipfile.ZipFile(tmp_path / name) as archive:
        held = set(archive.namelist())
        assert archive.read("nlpkit/serving/deployment/wheel.py") == Path(wheel.__file__).read_bytes()
    assert {"nlpkit/serving/deployment/texts/Dockerfile", "nlpkit/recipe_files/quickstart.yaml"} <= held
    assert {item.name for item in checkout.iterdir()} == before


def test_what_was_installed_is_taken_from_where_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site-packages" / "nlpkit").mkdir(parents=True)
    monkeypatch.setattr(nlpkit, "__file__", str(tmp_path / "site-packages" / "nlpkit" / "__init__.py"))
    file = tmp_path / "nlpkit-0.1.0-py3-none-any.whl"
    file.write_text("a wheel")

    class Installed(metadata.PathDistribution):
        origin: str | None = None  # of the package index

        def read_text(self, filename: str) -> str | None:
            return self.origin

    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(tmp_path))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    assert wheel.requirement(wheels) == f"nlpkit=={nlpkit.__version__}"
    Installed.origin = json.dumps({"url": file.as_uri(), "archive_info": {}})
    assert wheel.requirement(wheels) == file.name and (wheels / file.name).read_text() == "a wheel"
    Installed.origin = json.dumps({"url": "https://example.org/nlpkit.git", "vcs_info": {}})
    with pytest.raises(UserError, match="no wheel on this disk"):
        wheel.requirement(wheels)
