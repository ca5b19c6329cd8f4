"""`nlpkit serve --dockerfile`, `--kubernetes`: the options of the service, as containers get them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlpkit.errors import UserError
from nlpkit.recipes import serve
from nlpkit.searching import record
from nlpkit.serving.deployment import wheel


@pytest.fixture(autouse=True)
def _no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "requirement", lambda folder: "nlpkit==0")


def asked(run: Path, **options: Any) -> Any:
    """The report of the command for a run."""
    return serve.run(serve.Config(runs=[f"reviews={run}"], **options))


@pytest.mark.slow  # all files of torch are counted
def test_the_service_in_a_container_has_the_options_that_were_asked_for(run_of: Any, tmp_path: Path) -> None:
    run = run_of("classification")
    report = asked(
        run, dockerfile=tmp_path / "d", kubernetes=tmp_path / "k", max_body_mb=0.5, batch_tokens=512, log_texts=True,
        host="10.0.0.1", port=0, threads=3,
    )  # fmt: skip

    command = json.loads(re.search("^CMD (.*)$", (tmp_path / "d" / "Dockerfile").read_text(), re.M)[1])
    read = serve.Config(runs=command[:1], **_values(command[1:]))
    assert (read.host, read.port, read.max_body_mb, read.batch_tokens) == ("0.0.0.0", 8000, 0.5, 512)
    assert read.log_texts and read.threads == 3 and read.drain_seconds == 30
    assert "client_max_body_size 500000;" in (tmp_path / "d" / "nginx.conf").read_text()
    deployment = yaml.safe_load((tmp_path / "k" / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == command and container["resources"]["limits"]["cpu"] == "3"
    assert report.record["docker"]["total_bytes"] == sum(report.record["docker"]["bytes"].values())
    assert report.next_command == f"docker compose --file {tmp_path / 'd' / 'compose.yaml'} up --build"


def _values(arguments: list[str]) -> dict[str, Any]:
    """The options of a command line by their names in Python."""
    values: dict[str, Any] = {}
    for flag, value in zip(arguments, [*arguments[1:], "--"], strict=True):
        if flag.startswith("--"):
            values[flag[2:].replace("-", "_")] = True if value.startswith("--") else value
    return values


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "--device cuda: the images are for CPUs"),
        ({"api_key_file": "keys.txt"}, "no key is written into files"),
        ({"tokenizer": "elsewhere"}, "outside of the model's folder"),
    ],
)
def test_what_a_container_has_not_is_refused(
    run_of: Any, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        asked(run_of("classification"), dockerfile=tmp_path / "d", **options)
    assert not (tmp_path / "d").exists()


def test_an_index_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "faq").mkdir()
    (tmp_path / "faq" / record.FILE).write_text("{}")
    with pytest.raises(UserError, match=r"reviews: .* is an index"):
        asked(tmp_path / "faq", dockerfile=tmp_path / "d")
