"""Kubernetes: manifests of the service, with as many replicas as work waits for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from nlpkit import __version__
from nlpkit.reporting import Report, Table, typed
from nlpkit.serving.deployment import folder as written
from nlpkit.serving.deployment.docker import GRACE_SECONDS, UID
from nlpkit.serving.deployment.service import MODELS, Service, folder_names
from nlpkit.serving.deployment.templates import filled, yaml_text

SAID = "README.md says more."
LEAST, MOST = 2, 10  # replicas
CORES = 2  # of a pod, where no --threads says how many
# Seconds before a pod is told to end: until then some of its cluster still send it requests, as they have not yet heard
PRE_STOP_SECONDS = 5
START_SECONDS = 300  # in which a model must be ready
WAITING = "nlpkit_waiting_seconds"  # see `serving.metrics`
LIGHT_BYTES, FULL_BYTES = 300e6, 1_000e6  # that a process takes without its models
WEIGHTS = 3  # times the bytes of a model, with what its largest batches need
VOLUME_NOTE = """\
- The models lie on a volume that you make and fill, which pods on several nodes may read (ReadOnlyMany): the claim
  `{claim}`, with {folders} at its top, a run folder each. With `--model-in-image` they are part of the
  image, and there is no volume.
"""


def write_kubernetes(service: Service, folder: Path, *, overwrite: bool) -> Report:
    """Write manifests of the service.

    Args:
        service: what is served; an image of it is named and not built.
        folder: for a file a kind, `kustomization.yaml`, the values of prometheus-adapter and `README.md`.
        overwrite: replace what lies there under these names.

    Raises:
        UserError: the folder is in use.
    """
    written.require_free(folder, "--kubernetes", overwrite=overwrite)
    texts = {f"{name}.yaml": yaml_text(manifest, SAID) for name, manifest in manifests(service).items()}
    texts["pod-monitor.yaml"] = yaml_text(pod_monitor(service), SAID)
    texts["prometheus-adapter-values.yaml"] = yaml_text(adapter_values(), SAID)
    texts["kustomization.yaml"] = yaml_text(kustomization(service), SAID)
    texts["README.md"] = _readme(service)
    written.write(folder, texts)
    return Report(
        record={"command": "serve", "output": str(folder), "files": sorted(texts), "image": _image(service)},
        tables=[Table("manifests", ["file"], [[name] for name in sorted(texts)])],
        next_command=f"kubectl apply -k {typed(folder)}",
    )


def manifests(service: Service) -> dict[str, dict[str, Any]]:
    """The objects of the service, by the names of their files."""
    return {
        "deployment": _deployment(service),
        "service": _service(service),
        "autoscaler": _autoscaler(service),
        "disruption-budget": _disruption_budget(service),
        "network-policy": _network_policy(service),
    }


def _deployment(service: Service) -> dict[str, Any]:
    ready = {"httpGet": {"path": "/health/ready", "port": "http"}, "timeoutSeconds": 5}
    live = {"httpGet": {"path": "/health/live", "port": "http"}, "timeoutSeconds": 5}
    cores = _cores(service)
    container: dict[str, Any] = {
        "name": "nlpkit",
        "image": _image(service),
        "args": [part.replace("$", "$$") for part in service.command],  # $(NAME) would be a variable
        "ports": [{"name": "http", "containerPort": service.port}],
        "env": [
            {
                "name": "NLPKIT_API_KEY",
                # without the secret no pod starts: a service that was to have a key has one
                "valueFrom": {"secretKeyRef": _key(service)},
            }
        ],
        "startupProbe": {**ready, "periodSeconds": 2, "failureThreshold": START_SECONDS // 2},
        "readinessProbe": {**ready, "periodSeconds": 5, "failureThreshold": 1},
        "livenessProbe": {**live, "periodSeconds": 10, "failureThreshold": 3},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(PRE_STOP_SECONDS)]}}},
        # the limit is what nlpkit counts its threads by
        "resources": {
            "requests": {"cpu": str(cores), "memory": _memory(service)},
            "limits": {"cpu": str(cores), "memory": _memory(service)},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    if not service.model_in_image:
        container["volumeMounts"].append({"name": "models", "mountPath": MODELS, "readOnly": True})
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": _claim(service), "readOnly": True}})
    pod = {
        "metadata": {
            "labels": _labels(service),
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _grace(service),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "runAsGroup": UID,
                "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": _labels(service)},
                }
            ],
            "containers": [container],
            "volumes": volumes,
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(service),
        # how many there are is the autoscaler's to say
        "spec": {
            "selector": {"matchLabels": _labels(service)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pod,
        },
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(service),
        "spec": {
            "selector": _labels(service),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def _autoscaler(service: Service) -> dict[str, Any]:
    """Replicas so that a quarter of the longest queue waits: beyond the whole of it requests are refused."""
    target = max(int(service.max_queue_seconds * 1000 / 4), 1)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(service),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name},
            "minReplicas": LEAST,
            "maxReplicas": MOST,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": WAITING},
                        "target": {"type": "AverageValue", "averageValue": f"{target}m"},
                    },
                }
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 30}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 300,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    }


def _disruption_budget(service: Service) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(service),
        "spec": {"minAvailable": 1, "selector": {"matchLabels": _labels(service)}},
    }


def _network_policy(service: Service) -> dict[str, Any]:
    """To the port whoever is in the cluster, and nothing out: a service asks nobody."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(service),
        "spec": {
            "podSelector": {"matchLabels": _labels(service)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": "http", "protocol": "TCP"}]}],
            "egress": [],
        },
    }


def pod_monitor(service: Service) -> dict[str, Any]:
    """How the operator of Prometheus collects the figures of each pod, which are for those who have a key."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": _metadata(service),
        "spec": {
            "selector": {"matchLabels": _labels(service)},
            "podMetricsEndpoints": [
                {
                    "port": "http",
                    "path": "/metrics",
                    "interval": "15s",
                    "authorization": {"type": "Bearer", "credentials": _key(service)},
                }
            ],
        },
    }


def adapter_values() -> dict[str, Any]:
    """Values of the chart of prometheus-adapter: the mean of the last minute, of a pod over its models."""
    return {
        "rules": {
            "custom": [
                {
                    "seriesQuery": f'{WAITING}{{namespace!="",pod!=""}}',
                    "resources": {
                        "overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}},
                    },
                    "name": {"matches": f"^{WAITING}$", "as": WAITING},
                    "metricsQuery": "sum(avg_over_time(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)",
                }
            ]
        }
    }


def kustomization(service: Service) -> dict[str, Any]:
    """What `kubectl apply -k` applies."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{name}.yaml" for name in manifests(service)],
        "images": [{"name": service.name, "newTag": __version__}],
    }


def _metadata(service: Service) -> dict[str, Any]:
    labels = {**_labels(service), "app.kubernetes.io/version": __version__, "app.kubernetes.io/managed-by": "nlpkit"}
    return {"name": service.name, "labels": labels}


def _labels(service: Service) -> dict[str, str]:
    return {"app.kubernetes.io/name": "nlpkit", "app.kubernetes.io/instance": service.name}


def _image(service: Service) -> str:
    return f"{service.name}:{__version__}"


def _key(service: Service) -> dict[str, str]:
    """Where the key lies: in a secret, which is made by hand."""
    return {"name": f"{service.name}-api-key", "key": "api-key"}


def _claim(service: Service) -> str:
    return f"{service.name}-models"


def _cores(service: Service) -> int:
    return service.threads or CORES


def _memory(service: Service) -> str:
    """An estimate, in steps of 128 MiB."""
    count = (LIGHT_BYTES if service.light else FULL_BYTES) + WEIGHTS * sum(model.bytes for model in service.models)
    return f"{math.ceil(count / 2**27) * 128}Mi"


def _grace(service: Service) -> int:
    return PRE_STOP_SECONDS + math.ceil(service.drain_seconds) + GRACE_SECONDS


def _readme(service: Service) -> str:
    folders = ", ".join(f"`{name}/`" for name in folder_names(service.models))
    volume = VOLUME_NOTE.format(claim=_claim(service), folders=folders)
    base = LIGHT_BYTES if service.light else FULL_BYTES
    return filled(
        "kubernetes.md",
        name=service.name,
        image=_image(service),
        what=", ".join(f"`{model.name}`" for model in service.models),
        notes="" if service.model_in_image else volume,
        least=LEAST,
        cores=_cores(service),
        memory=_memory(service),
        estimate=f"{base / 1e6:.0f} MB and {WEIGHTS} times the files of the models",
        pre_stop=PRE_STOP_SECONDS,
        drain=f"{service.drain_seconds:g}",
        grace=_grace(service),
    )
