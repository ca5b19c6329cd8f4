"""What a card says to the hub: the YAML in front of it.

Nothing is invented: what neither the run, nor the card of the model that it began with, nor an option says is left out.
The hub checks this part when a card is uploaded; `tests/experiment/test_card_metadata.py` has its rules.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.data import pipes
from nlpkit.models import opening
from nlpkit.nearby import nearest
from nlpkit.options import DEFAULT_MODEL
from nlpkit.options.card import is_language
from nlpkit.reporting import shown
from nlpkit.runs.folder import read_record
from nlpkit.tasks.registry import task_class

# https://huggingface.co/docs/hub/repositories-licenses
_LICENSES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown
other
"""
LICENSES = frozenset(_LICENSES.split())
REPOSITORY = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
COMMIT = re.compile("[0-9a-f]{40}")
PATIENCE = 5.0  # seconds that the hub has to answer
GENERATIONS = 20  # of runs that are made of runs

# Metrics by the names that the hub has for them; of an average it is told which.
METRICS = {
    "mcc": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "exact": "exact_match",
    "best_f1": "f1",
    "best_exact": "exact_match",
    "HasAns_f1": "f1",
    "NoAns_f1": "f1",
    "subset_accuracy": "accuracy",
}
EXPORTED_AS_IT_IS = "onnx-fp32"  # of the formats of `quantize` the one that rounds nothing
AVERAGES = ("macro", "micro", "weighted", "samples")


@dataclass(frozen=True)
class Base:
    """The model that a run began with, as the hub knows it.

    Attributes:
        name: its name there; None: it has none.
        direct: whether the run began with this model itself, and not with one that was made of it.
        card: the metadata of the card of the model that the run began with, as far as it is here.
    """

    name: str | None
    direct: bool
    card: Mapping[str, Any]


def base_of(record: Mapping[str, Any]) -> Base:
    """The nearest ancestor that the hub has a name for."""
    given = (record["parents"].get("model") or {}).get("given")
    if not given:  # a model from scratch has no parent
        return Base(None, True, {})
    card, direct = _card_of(given), True
    for _ in range(GENERATIONS):
        if given == DEFAULT_MODEL and not Path(given).is_dir():
            return Base(opening.MINILM_HUB, direct, card)
        if not Path(given).expanduser().is_dir():
            named = REPOSITORY.fullmatch(given) is not None and not given.startswith(".")
            return Base(given if named else None, direct, card)
        parent = read_record(Path(given).expanduser()) or {}
        uploaded = (parent.get("config") or {}).get("push_to_hub")
        if isinstance(uploaded, str) and "/" in uploaded and REPOSITORY.fullmatch(uploaded):
            return Base(uploaded, direct, card)
        given, direct = ((parent.get("parents") or {}).get("model") or {}).get("given"), False
        if not given:
            break
    return Base(None, direct, card)


def _card_of(given: str) -> Mapping[str, Any]:
    """The metadata of the card of a model: from its folder, or from the hub, which has given its weights too."""
    import yaml
    from huggingface_hub import ModelCard

    place = Path(opening.resolve(given)) if given == DEFAULT_MODEL else Path(given).expanduser()
    try:
        path = place / "README.md" if place.is_dir() else _downloaded(str(place))
        if path is None or not path.is_file():
            return {}
        return ModelCard.load(path, ignore_metadata_errors=True).data.to_dict()
    except (OSError, ValueError, yaml.YAMLError):  # it is somebody else's, and may hold anything
        return {}


def _downloaded(name: str) -> Path | None:
    """The card of a model on the hub; None where it has none, or cannot be reached."""
    from huggingface_hub import hf_hub_download

    with contextlib.suppress(Exception):  # whatever the network says: no run fails for want of a card
        return Path(hf_hub_download(name, "README.md", etag_timeout=PATIENCE))
    return None


def license_of(record: Mapping[str, Any], base: Base) -> dict[str, str]:
    """`license`, and `license_name` of one that the hub has no word for; nothing where none is known."""
    if asked := record["config"].get("license"):
        if asked.lower() in LICENSES:
            return {"license": asked.lower()}
        return {"license": "other", "license_name": re.sub(r"[^a-z0-9.-]+", "-", asked.lower()).strip("-")}
    theirs = base.card.get("license")
    if not isinstance(theirs, str) or theirs not in LICENSES - {"unknown"}:
        return {}
    more = {name: base.card.get(name) for name in ("license_name", "license_link") if theirs == "other"}
    kept = {name: value for name, value in more.items() if isinstance(value, str) and value}
    return {"license": theirs, **kept} if theirs != "other" or "license_name" in kept else {}


def languages_of(record: Mapping[str, Any], base: Base) -> list[str]:
    """Codes of --language, or else of the base model's card."""
    if asked := record["config"].get("language"):
        return list(asked)
    theirs = base.card.get("language")
    codes = theirs if isinstance(theirs, list) else [theirs]
    return [str(code) for code in codes if is_language(code)]


def data_name(record: Mapping[str, Any]) -> str:
    """The name of the data, for people."""
    return shown(pipes.name_of(((record["parents"].get("data") or {}).get("spec")) or "data") or "data")


def metadata(record: dict[str, Any], base: Base) -> Any:
    """The `ModelCardData` of a run.

    Args:
        record: the run's nlpkit.json.
        base: as `base_of` gives it.
    """
    from huggingface_hub import ModelCardData

    quantization = record.get("quantization") or {}
    exported = "file" in quantization
    kind = task_class(record["task"]["name"]) if record["task"] else None
    tag = kind.pipeline_tag if kind else None
    results = _results(record, tag) if tag else []
    relation = None
    if base.name is not None:
        # what came between has trained the model
        relation = "quantized" if quantization and base.direct else "finetune"
        if base.direct and quantization.get("to") == EXPORTED_AS_IT_IS:
            relation = None  # the hub has no word for it
    library = "onnx" if exported else kind.library if kind else "transformers"
    tags = [
        "nlpkit",
        *(kind.hub_tags if kind else ()),
        *([quantization["to"]] if quantization else []),
        *(["onnx"] if exported else []),
    ]
    languages = languages_of(record, base)
    more: dict[str, Any] = license_of(record, base)
    if (asked := record["config"].get("license")) and more["license"] == "other" != asked.lower():
        near = nearest(asked.lower(), LICENSES)
        meant = f" (did you mean {near}?)" if near else ""
        reporting.current().warn(f"--license {asked}: the hub knows no such license{meant}; the card says other")
    return ModelCardData(
        base_model=base.name,
        base_model_relation=relation,
        language=languages[0] if len(languages) == 1 else languages or None,
        datasets=[name] if (name := _hub_data(record)[0]) else None,
        library_name=library,
        pipeline_tag=tag,
        tags=list(dict.fromkeys(tags)),
        metrics=list(dict.fromkeys(metric_type(name) for name in record["table_metrics"])) or None,
        model_name=shown(f"{record['parents']['model']['name']}-{data_name(record)}"),
        eval_results=results or None,
        **more,
    )


def metric_type(name: str) -> str:
    """What the hub calls a metric."""
    stem, _, average = name.rpartition("_")
    return METRICS.get(name, stem if average in AVERAGES else name)


def _hub_data(record: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Name and configuration of the data on the hub; None where they are not from there."""
    from nlpkit.data.hub import NAME

    data = record["parents"].get("data") or {}
    match = NAME.fullmatch(data.get("spec") or "") if data.get("kind") == "hub" else None
    if match is None:
        return None, None
    name = "nyu-mll/glue" if match["name"] == "glue" else match["name"]
    return name, match["config"] or record["config"].get("data_config")


def _results(record: Mapping[str, Any], tag: str) -> list[Any]:
    """The model-index: each metric of the result table, by split."""
    from huggingface_hub import EvalResult

    name, notes = data_name(record), record.get("metric_notes") or {}
    on_hub, config = _hub_data(record)
    revision = (record["parents"].get("data") or {}).get("revision")
    results = []
    for split, metrics in record["metrics"].items():
        for metric, value in metrics.items():
            if split == "train" or metric not in record["table_metrics"] or value is None or not math.isfinite(value):
                continue
            average = metric.rpartition("_")[2]
            results.append(
                EvalResult(
                    task_type=tag,
                    dataset_type=on_hub or re.sub(r"[^\w.-]+", "-", name).strip("-") or "data",
                    dataset_name=name,
                    dataset_config=config if on_hub else None,
                    dataset_split=split,
                    dataset_revision=revision if on_hub and COMMIT.fullmatch(revision or "") else None,
                    metric_type=metric_type(metric),
                    metric_name=shown(f"{metric} {notes[metric]}" if metric in notes else metric),
                    metric_value=round(value, 4),
                    metric_args={"average": average} if average in AVERAGES else None,
                )
            )
    return results
