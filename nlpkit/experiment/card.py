"""The model card of a run: README.md with the metadata that the hub reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nlpkit.data import pipes
from nlpkit.experiment import spreads
from nlpkit.markdown import code, text
from nlpkit.reporting import shown
from nlpkit.runs.few import few_rows
from nlpkit.runs.folder import human_bytes
from nlpkit.tasks.registry import task_class


def write(path: Path, record: dict[str, Any], plots: Iterable[str]) -> None:
    """Write a card from a run's record.

    Args:
        path: of the README.md.
        record: the run's nlpkit.json.
        plots: names of the pictures in plots/.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    task, parents = _task(record), record["parents"]
    data_name = shown(pipes.name_of(parents["data"]["spec"] or "data") or "data")
    results = [
        EvalResult(
            task_type=task["name"],
            dataset_type=data_name,
            dataset_name=data_name,
            dataset_split=split,
            metric_type=name,
            metric_value=round(value, 4),
        )
        for split, metrics in record["metrics"].items()
        if split != "train"
        for name, value in metrics.items()
        if name in record["table_metrics"]
    ]
    exported = "file" in record.get("quantization", {})
    given = parents["model"]["given"] or ""  # a model from scratch has no parent
    metadata = ModelCardData(
        base_model=given
        if "/" in given and not given.startswith((".", "/", "~")) and not Path(given).is_dir()
        else None,
        library_name="onnx" if exported else "transformers",
        pipeline_tag=task_class(task["name"]).pipeline_tag if record["task"] else None,
        tags=["nlpkit", *(["onnx"] if exported else [])],
        model_name=shown(f"{parents['model']['name']}-{data_name}"),
        eval_results=results,
    )
    ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{_body(record, data_name, sorted(plots))}").save(path)


def _task(record: dict[str, Any]) -> dict[str, Any]:
    """What the model was trained for; one that answers nothing by itself (an encoder) has its objective for a name."""
    return record["task"] or {"name": record["config"]["objective"]}


def _body(record: dict[str, Any], data_name: str, plots: list[str]) -> str:
    task, config = _task(record), record["config"]
    names = [name for name in record["table_metrics"] if any(name in figures for figures in record["metrics"].values())]
    lines = [f"# {text(record['parents']['model']['name'])} on {text(data_name)}", ""]
    kind = f" ({task['problem']})" if task.get("problem") else ""
    lines += [f"{task['name']}{kind}, trained with `nlpkit {record['command']}`.", ""]
    if task.get("labels"):
        lines += [
            f"Labels: {', '.join(map(text, task['labels'][:50]))}{', ...' if len(task['labels']) > 50 else ''}.",
            "",
        ]
    lines += [
        "## Results",
        "",
        "| split | rows | " + " | ".join(map(text, names)) + " |",
        "|---|---:|" + "---:|" * len(names),
    ]
    rows = [(split, "", metrics) for split, metrics in record["metrics"].items()]
    if record.get("baseline"):
        rows += [(s, f" ({record['baseline']['name']})", m) for s, m in record["baseline"]["metrics"].items()]
    for split, suffix, metrics in rows:
        cells = " | ".join(f"{metrics[name]:.4f}" if name in metrics else "" for name in names)
        lines.append(f"| {text(split)}{text(suffix)} | {record['judged'][split]:,} | {cells} |")
    notes = {name: note for name, note in record.get("metric_notes", {}).items() if name in names}
    said_of_them = few_rows({split: count for split, count in record["judged"].items() if split != "train"})
    said_of_them += [f"{name}: {note}" for name, note in notes.items()]
    lines += ["", *(f"{text(note)}." for note in said_of_them)] if said_of_them else []
    lines += spreads.card_of_folds(record) + spreads.card_of_seeds(record)
    if "file" in record.get("quantization", {}):
        lines += ["", "## Opening it", "", *_opening(record)]
    if record.get("lineage"):
        lines += ["", "## What it comes from", "", *_lineage(record["lineage"], record["main_metric"])]
    lines += ["", "## Training", ""]
    if record["steps"]:
        lines += [
            f"- steps: {record['steps']:,}, best checkpoint at {record['best_step']} by validation "
            f"{record['main_metric']}",
            f"- learning rate {config['learning_rate']:g} ({config['schedule']}, warm-up {config['warmup']:g}), "
            f"batch {config['batch_size']} x {config['gradient_accumulation_steps']} x {record['processes']}, "
            f"{_passes(record)}, seed {record['seed']}",
        ]
    lines += [
        f"- device: {record['device']}; {record['train_seconds']:.0f} s of training",
        "- versions: " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "",
        f"Everything needed to repeat the run is in `nlpkit.json`: `nlpkit {record['command']} --config nlpkit.json`.",
    ]
    warnings = [finding for finding in record["findings"] if finding["level"] == "warning"]
    if warnings:
        lines += ["", "## Known issues of the data", "", *(f"- {text(finding['message'])}" for finding in warnings)]
    lines += ["", *(f"![{name.replace('_', ' ')}](plots/{name}.png)" for name in plots), ""]
    return "\n".join(lines)


def _opening(record: dict[str, Any]) -> list[str]:
    """How other programs open an exported model, and what it reads."""
    file, inputs = record["quantization"]["file"], record["quantization"]["inputs"]
    length = (record["task"] or {}).get("max_length")
    limit = f"; texts of at most {length:,} tokens, which `truncation=True` cuts" if length else ""
    return [
        f"{file} runs in ONNX Runtime and reads {', '.join(inputs)}, shape (batch_size, sequence_length){limit}.",
        "",
        "```python",
        "from onnxruntime import InferenceSession",
        "from transformers import AutoTokenizer",
        "",
        'tokens = AutoTokenizer.from_pretrained(".")(["..."], padding=True, truncation=True, return_tensors="np")',
        f'outputs = InferenceSession("{file}").run(None, dict(tokens))',
        "```",
        "",
        '`nlpkit.load(".")` opens it too, and transformers.js with the name of the folder.',
    ]


def _passes(record: dict[str, Any]) -> str:
    """How many epochs were trained, and what has decided that."""
    config, trained = record["config"], record["epochs"]
    flags = ("epochs", "max_steps", "max_tokens", "max_minutes")
    limits = ", ".join(f"--{flag.replace('_', '-')} {config[flag]:g}" for flag in flags if config.get(flag))
    # nobody knows how long a stream is
    return f"{trained:.3g} epochs ({limits})" if trained is not None else f"a stream ({limits})"


def _lineage(steps: list[dict[str, Any]], metric: str) -> list[str]:
    """A row a model, from the first to this one: each line was measured beside the one above it."""
    timed = all("p50_ms" in step for step in steps)
    sessions = [step.get("session") for step in steps]
    several = timed and (None in sessions or any(session != sessions[0] for session in sessions))
    header = ["made by", "model", metric, "parameters", "size", *(["p50 ms", "rows/s"] if timed else [])]
    header += ["times as fast as the one above", "measured"] if several else []
    lines = ["| " + " | ".join(header) + " |", "|---|---|" + "---:|" * (len(header) - 2)]
    for step, session in zip(steps, sessions, strict=True):
        cells = [code(step["command"]) if step["command"] else "", text(step["name"])]
        value = step["metrics"].get(metric)
        cells += ["" if value is None else f"{value:.4f}", f"{step['parameters'] / 1e6:.2f} M"]
        cells.append(human_bytes(step["bytes"]))
        if timed:
            cells += [f"{step['p50_ms']:.2f}", f"{step['rows_per_second']:,.0f}"]
        if several:
            cells.append("{:.2f} one by one, {:.2f} in batches".format(*step["faster"]) if "faster" in step else "")
            cells.append(f"{session['date'][:16]}, {session['device']}" if session else "not known when")
        lines.append("| " + " | ".join(cells) + " |")
    if several:
        lines += ["", "Times of different sessions do not compare: how many times as fast was measured in one."]
    return lines
