"""`make audit` says what it looked up, and does not take silence for a good answer."""

from __future__ import annotations

import json
from pathlib import Path

import audit
import pytest

CONSTRAINTS = "# pinned\nnumpy==2.4.6\ntorch==2.13.0 # CPU\n\nrich==15.0.0\n"
INDEX = {"numpy": "2.5.0, 2.4.6, 2.4.5", "torch": "2.14.1, 2.12.0", "rich": "15.0.0, 14.0.0"}


@pytest.fixture
def constraints(tmp_path: Path) -> Path:
    path = tmp_path / "constraints.txt"
    path.write_text(CONSTRAINTS, encoding="utf-8")
    return path


def answers(monkeypatch: pytest.MonkeyPatch, audited: str = "", index: bool = True) -> None:
    def said(command: list[str]) -> str:
        if command[0] == "pip-audit":
            return audited
        versions = INDEX[command[command.index("versions") + 1]]
        return f"x (1)\nAvailable versions: {versions}\n  INSTALLED: 1\n" if index else ""

    monkeypatch.setattr(audit, "_said", said)


def test_weaknesses_that_are_known(
    constraints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"id": "PYSEC-1", "fix_versions": ["2.13.1"]}
    packages = [
        {"name": "numpy", "vulns": []},
        {"name": "torch", "vulns": [known]},
        {"name": "rich", "skip_reason": "-"},
    ]
    answers(monkeypatch, json.dumps({"dependencies": packages}))
    assert audit.main(constraints, "pip-audit") == 1
    assert capsys.readouterr().out.splitlines() == [
        "  numpy 2.4.6: no weakness is known",
        "! torch 2.13.0: PYSEC-1, mended in 2.13.1",
        "  rich 15.0.0: nothing is known",
        "pip-audit: known weaknesses. 3 packages, 1 to do something about, 1 of which nothing is known",
    ]


def test_without_its_data_the_index_is_asked(
    constraints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit ends well, and says that nothing is wrong, where it has found no package at all."""
    packages = [{"name": name, "skip_reason": "not found"} for name in INDEX]
    answers(monkeypatch, json.dumps({"dependencies": packages}))
    assert audit.main(constraints, "pip-audit") == 1
    assert capsys.readouterr().out.splitlines() == [
        "  numpy 2.4.6: the newest is 2.5.0",
        "! torch 2.13.0: is not on the index; the newest is 2.14.1",
        "  rich 15.0.0: the newest",
        "package index: newer releases; known weaknesses were not looked for. 3 packages, 1 to do something about, "
        "0 of which nothing is known",
    ]


@pytest.mark.parametrize("audited", ["", "no JSON", "[]"])
def test_without_a_network_it_is_a_list(
    audited: str, constraints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, audited, index=False)
    assert audit.main(constraints, "pip-audit") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  numpy 2.4.6: nothing is known"
    assert "this is only the list. 3 packages, 0 to do something about, 3 of which nothing is known" in lines[-1]
