"""Files that run a service elsewhere: what is in an image, and what compose and Kubernetes are told."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.serving.deployment import docker, kubernetes, wheel
from nlpkit.serving.deployment.service import ServedFolder, Service

KEY = "a-key-that-nobody-knows"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with the files of a run, of which the model can be read by its owner alone."""
    folder = tmp_path / "runs" / "reviews"
    answering = ("model.onnx", "tokenizer.json", "nlpkit.json")
    for name in (*answering, "onnx/model.onnx", "plots/loss.png", "checkpoints/1/model.bin", "errors.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "model.onnx").chmod(0o600)
    return folder


@pytest.fixture
def service(run: Path) -> Callable[..., Service]:
    """A service of that run; keywords replace what it is."""

    def made(light: bool = True, names: tuple[str, ...] = ("reviews",), **values: Any) -> Service:
        whole = {
            "models": tuple(ServedFolder(name, run, "" if light else "it is not exported") for name in names),
            "arguments": ("--drain-seconds", "20.5"),
            "port": 8000,
            "drain_seconds": 20.5,
            "max_queue_seconds": 1.0,
            "max_body_bytes": 2_000_000,
            "threads": None,
            "model_in_image": False,
        }
        return Service(**{**whole, **values})

    return made


@pytest.fixture(autouse=True)
def _built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of nlpkit that takes no time."""

    def requirement(folder: Path) -> str:
        (folder / "nlpkit-1-py3-none-any.whl").touch()
        return "nlpkit-1-py3-none-any.whl"

    monkeypatch.setattr(wheel, "requirement", requirement)


def requirements(folder: Path) -> dict[str, str]:
    """Versions by package, of a folder that `write_docker` wrote."""
    lines = (folder / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.slow  # all files of torch are counted
def test_an_image_of_an_exported_model_holds_neither_torch_nor_transformers(
    service: Callable[..., Service], tmp_path: Path
) -> None:
    docker.write_docker(service(), tmp_path / "light", overwrite=False)
    docker.write_docker(service(light=False), tmp_path / "full", overwrite=False)

    light, full = requirements(tmp_path / "light"), requirements(tmp_path / "full")
    assert {"onnxruntime", "tokenizers", "fastapi", "starlette", "uvicorn"} <= light.keys() < full.keys()
    assert not light.keys() & {"torch", "transformers", "huggingface-hub", "datasets", "pyarrow"}
    assert {"torch", "transformers"} <= full.keys() and not full.keys() & {"matplotlib", "scikit-learn", "pytest"}
    assert light["starlette"] == metadata.version("starlette")
    assert full["torch"] == metadata.version("torch").partition("+")[0]  # +cpu lies in no usual index


def test_the_command_of_an_image_serves_all_models_on_the_port_that_is_checked(
    service: Callable[..., Service], tmp_path: Path
) -> None:
    docker.write_docker(service(names=("SST-2", "sst_2", "qa"), port=9000), tmp_path / "d", overwrite=False)

    text = (tmp_path / "d" / "Dockerfile").read_text()
    assert json.loads(re.search("^CMD (.*)$", text, re.M)[1]) == [
        "SST-2=/models/sst-2",
        "sst_2=/models/sst-2-2",
        "qa=/models/qa",
        *shlex.split("--host 0.0.0.0 --port 9000 --drain-seconds 20.5"),
    ]
    assert json.loads(re.search("^ENTRYPOINT (.*)$", text, re.M)[1]) == ["nlpkit", "serve"]
    program = json.loads(re.search("^HEALTHCHECK .*? CMD (.*)$", text, re.M)[1])[-1]
    compile(program, "health check", "exec")
    assert "EXPOSE 9000" in text and "9000" in program
    assert "wheels/nlpkit-1-py3-none-any.whl" in text and "--no-deps --requirement" in text
    of_index = docker.dockerfile(service(), "nlpkit==1.2.3")
    assert "--no-deps nlpkit==1.2.3\n" in of_index and "wheels" not in of_index
    assert re.search(r"^USER (\d+)", text, re.M)[1] != "0"


def test_models_are_mounted_or_part_of_the_image(service: Callable[..., Service], run: Path, tmp_path: Path) -> None:
    with reporting.listening() as said:
        docker.write_docker(service(), tmp_path / "mounted", overwrite=False)
    mounts = yaml.safe_load((tmp_path / "mounted" / "compose.yaml").read_text())["services"]["nlpkit"]["volumes"]
    assert [(mount["source"], mount["target"], mount["read_only"]) for mount in mounts] == [
        (str(run), "/models/reviews", True)
    ]
    assert not (tmp_path / "mounted" / "models").exists()
    assert any("1 file of the models cannot be read" in warning for warning in said.warnings)

    docker.write_docker(service(model_in_image=True), tmp_path / "whole", overwrite=False)
    copied = tmp_path / "whole" / "models" / "reviews"
    assert sorted(file.name for file in copied.rglob("*")) == ["model.onnx", "nlpkit.json", "tokenizer.json"]
    assert (copied / "model.onnx").stat().st_mode & 0o777 == 0o644
    assert "COPY models/ /models/" in (tmp_path / "whole" / "Dockerfile").read_text()
    assert "volumes" not in yaml.safe_load((tmp_path / "whole" / "compose.yaml").read_text())["services"]["nlpkit"]


def test_a_folder_in_use_is_refused_and_with_overwrite_only_own_files_are_replaced(
    service: Callable[..., Service], run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for write, flag in ((docker.write_docker, "--dockerfile"), (kubernetes.write_kubernetes, "--kubernetes")):
        with pytest.raises(UserError, match=f"{flag} .* is not empty"):
            write(service(), folder, overwrite=False)
        assert [item.name for item in folder.iterdir()] == ["mine.txt"]

    docker.write_docker(service(model_in_image=True), folder, overwrite=True)
    (run / "tokenizer.json").unlink()
    docker.write_docker(service(model_in_image=True), folder, overwrite=True)
    assert (folder / "mine.txt").read_text() == "mine"
    assert not (folder / "models" / "reviews" / "tokenizer.json").exists()
    with pytest.raises(UserError, match="is a file"):
        docker.write_docker(service(), folder / "mine.txt", overwrite=True)
    with pytest.raises(UserError, match="is no folder"):
        service(models=(ServedFolder("hub", tmp_path / "org" / "name", ""),))


def test_nginx_asks_the_replicas_that_compose_starts(service: Callable[..., Service], tmp_path: Path) -> None:
    docker.write_docker(service(port=9000, max_body_bytes=1_500_000), tmp_path / "d", overwrite=False)

    services = yaml.safe_load((tmp_path / "d" / "compose.replicas.yaml").read_text())["services"]
    conf = (tmp_path / "d" / "nginx.conf").read_text()
    replicas = [name for name in services if name != "nginx"]
    assert re.findall(r"^ +server (\S+) resolve", conf, re.M) == [f"{name}:9000" for name in replicas]
    assert set(services["nginx"]["depends_on"]) == set(replicas) and len(replicas) == 2
    assert "client_max_body_size 1500000;" in conf
    listen = re.search(r"listen (\d+);", conf)[1]
    assert services["nginx"]["ports"] == [f"127.0.0.1:9000:{listen}"] and int(listen) > 1023
    assert not any("ports" in services[name] for name in replicas)


def test_nothing_is_killed_before_it_has_drained(service: Callable[..., Service], tmp_path: Path) -> None:
    docker.write_docker(service(), tmp_path / "d", overwrite=False)

    for file in ("compose.yaml", "compose.replicas.yaml"):
        services = yaml.safe_load((tmp_path / "d" / file).read_text())["services"]
        assert all(int(each["stop_grace_period"].removesuffix("s")) > 20.5 for each in services.values())
    pod = kubernetes.manifests(service())["deployment"]["spec"]["template"]["spec"]
    before = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > before + 20.5


def test_no_file_holds_the_key(
    service: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLPKIT_API_KEY", KEY)
    docker.write_docker(service(model_in_image=True), tmp_path / "d", overwrite=False)
    kubernetes.write_kubernetes(service(), tmp_path / "k", overwrite=False)

    files = [file for name in ("d", "k") for file in (tmp_path / name).rglob("*") if file.is_file()]
    assert len(files) > 10 and not [file for file in files if KEY in file.read_text()]
    (container,) = kubernetes.manifests(service())["deployment"]["spec"]["template"]["spec"]["containers"]
    (variable,) = container["env"]
    assert variable["name"] == "NLPKIT_API_KEY" and "optional" not in variable["valueFrom"]["secretKeyRef"]


def test_the_objects_of_a_cluster_belong_together(service: Callable[..., Service], tmp_path: Path) -> None:
    one = service(names=("Reviews & more",), port=9000, threads=4, max_queue_seconds=2.0)
    kubernetes.write_kubernetes(one, tmp_path / "k", overwrite=False)

    folder = tmp_path / "k"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    made = {each["kind"]: each for each in (yaml.safe_load((folder / name).read_text()) for name in listed)}
    deployment, autoscaler = made["Deployment"], made["HorizontalPodAutoscaler"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert {each["metadata"]["name"] for each in made.values()} == {"nlpkit-reviews-more"}
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        made["Service"]["spec"]["selector"],
        made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 9000}]
    assert container["args"] == one.command
    assert container["resources"]["limits"]["cpu"] == "4"
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (metric,) = autoscaler["spec"]["metrics"]
    (rule,) = kubernetes.adapter_values()["rules"]["custom"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert metric["pods"]["target"]["averageValue"] == "500m"  # a quarter of the queue
    claims = [
        each.get("persistentVolumeClaim", {}).get("claimName")
        for each in deployment["spec"]["template"]["spec"]["volumes"]
    ]
    assert claims == [None, "nlpkit-reviews-more-models"]
    in_image = kubernetes.manifests(service(model_in_image=True))["deployment"]["spec"]["template"]["spec"]
    assert [each["name"] for each in in_image["volumes"]] == ["tmp"]


@pytest.mark.slow  # the schemas are large
@pytest.mark.parametrize("in_image", [False, True])
def test_manifests_are_as_the_schemas_of_kubernetes_say(service: Callable[..., Service], in_image: bool) -> None:
    import kubernetes_validate

    version = kubernetes_validate.latest_version()
    every = kubernetes.manifests(service(model_in_image=in_image))
    for manifest in every.values():
        kubernetes_validate.validate(manifest, version, strict=True)
    every["deployment"]["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(every["deployment"], version, strict=True)
