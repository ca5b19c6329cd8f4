"""The model card of a run: README.md with what its record knows, and in front of it what the hub reads.

It says what was measured and what is known; what is not known it leaves out, or says that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nlpkit.data import memory
from nlpkit.experiment import card_metadata, spreads, ways
from nlpkit.experiment.card_metadata import Base
from nlpkit.markdown import code, text
from nlpkit.metrics import confused
from nlpkit.models.files import CONFIG, STRUCTURE
from nlpkit.reporting import Estimate, counted, duration, figures, titled
from nlpkit.runs import costs, standing
from nlpkit.runs.few import against_baseline, chosen_by_validation, few_rows, interval_notes, with_figures
from nlpkit.runs.files import small_text
from nlpkit.runs.folder import baselines_of, files_by_split, human_bytes
from nlpkit.tasks.registry import task_class

OPEN_LABELS = 20  # rows of a table of labels that is not folded
MOST_LABELS = 200  # rows of one at all
FEW_ROWS = 20  # of a label in train, below which it is named
NAMED_LABELS = 10
DIGITS = 16  # of a checksum
PAIRED = ("encoder", "decoder")  # of two models that were joined

# What is seen in a picture, by the name of its file; `{steps}`, `{best}` and `{split}` are those of the run.
ALTERNATIVES = {
    "curves": "Training and validation loss over {steps} steps, and validation metrics; {best}.",
    "label_distribution": "How often each label occurs in each split, as shares of its rows.",
    "confusion_matrix": "Labels of the {split} rows against what was predicted for them.",
    "predicted_over_gold": "Predicted numbers over labelled ones of the {split} rows, and a line where both are equal.",
    "answer_scores": "Scores of exact answers and of others, as shares of the {split} answers.",
    "null_margins": "Scores of no answer less those of the best answer, for questions with and without one.",
    "perplexity": "Perplexity in training and on validation over {steps} steps.",
    "reliability": "How often the answers of the {split} rows are right, over how sure the model is of them.",
    "learning_rate": "Learning rate over {steps} steps.",
}


def write(path: Path, record: dict[str, Any], plots: Iterable[str]) -> None:
    """Write a card from a run's record.

    Args:
        path: of the README.md, in the folder that holds the model.
        record: the run's nlpkit.json.
        plots: names of the pictures in plots/.
    """
    from huggingface_hub import ModelCard

    base = card_metadata.base_of(record)
    front = card_metadata.metadata(record, base).to_yaml()
    ModelCard(f"---\n{front}\n---\n\n{_body(path.parent, record, base, sorted(plots))}").save(path)


def _body(folder: Path, record: dict[str, Any], base: Base, plots: list[str]) -> str:
    name, data = record["parents"]["model"]["name"], card_metadata.data_name(record)
    sections = {
        "": [_purpose(record, base), "", *_license(record, base)],
        "Use": _usage(folder, record),
        "Results": [
            *_results(record),
            *spreads.card_of_folds(record),
            *spreads.card_of_seeds(record),
            *ways.card(record),
        ],
        "Before and after": _before_and_after(record),
        "Data": _data(record),
        "Limits": _limits(record, base),
        "Training": _training(record),
        "What it comes from": _lineage(record),
        "To repeat it": [
            *_where_the_data_are(record),
            "```bash",
            f"nlpkit {record['command']} --config nlpkit.json --output again",
            "```",
            "",
            "With " + ", ".join(f"{name} {version}" for name, version in (record["versions"] or {}).items()) + ".",
        ],
        "Pictures": [
            *(f"![{text(_alternative(record, plot))}](plots/{plot}.png)\n" for plot in plots),
            *_drawn_rows(folder, record),
        ],
    }
    lines = [f"# {text(name)} on {text(data)}", ""]
    for title, section in sections.items():
        if section:
            lines += [*([f"## {title}", ""] if title else []), *section, ""]
    return "\n".join(lines)


def _drawn_rows(folder: Path, record: dict[str, Any]) -> list[str]:
    """Where the pictures of single rows are."""
    if not record["task"]:
        return []
    view = task_class(record["task"]["name"]).view_type()
    if not view.rows_folder or not (count := len(list((folder / view.rows_folder).glob("*.png")))):
        return []
    return [f"[{view.rows_folder}/]({view.rows_folder}) has {counted(count, 'picture', 'pictures')}: {view.rows_seen}"]


def _where_the_data_are(record: dict[str, Any]) -> list[str]:
    """A line where the command does not find the data from the folder of the run."""
    data = (record.get("parents") or {}).get("data") or {}
    paths = [Path(str(file["path"])) for files in files_by_split(record).values() for file in files]
    if any(map(memory.is_name, paths)):
        return ["The rows were in memory of a Python process: add `--data FILE` with them.", ""]
    if data.get("kind") == "hub" or all(path.is_absolute() for path in paths):
        return []
    return ["From the folder below which the data are, with the path to `nlpkit.json` in its place:", ""]


# --- what it is ---


def _task(record: dict[str, Any]) -> dict[str, Any]:
    """What the model was trained for; one that answers nothing by itself (an encoder) has its objective for a name."""
    return record["task"] or {"name": record["config"].get("objective") or "an encoder"}


def _purpose(record: dict[str, Any], base: Base) -> str:
    model, data, command = record["parents"]["model"], card_metadata.data_name(record), record["command"]
    purpose = f"An encoder, trained by {_task(record)['name']}, to be trained further."
    if record["task"]:
        purpose = task_class(record["task"]["name"]).view_type().purpose(record["task"])
    rows = record["rows"].get("train") if isinstance(record["rows"], dict) else None
    amount = f" ({rows:,} rows)" if rows else ""
    named = model["name"] if Path(model["given"] or "").is_dir() else base.name or model["name"]
    made = f"Made of {text(named)}" if model["given"] else f"{text(model['name'])}, a new model"
    if model.get("encoder"):
        reads, writes = (Path(name).name if Path(name).is_dir() else name for name in map(model.get, PAIRED))
        made = f"Made of {text(reads)}, which reads, and {text(writes)}, which writes"
    teacher = record["parents"].get("teacher")
    taught = f", taught by {text(teacher['name'])}" if teacher else ""
    return f"{purpose} {made}{taught}, by `nlpkit {command}` on {text(data)}{amount}."


def _license(record: dict[str, Any], base: Base) -> list[str]:
    lines = []
    known = card_metadata.license_of(record, base)
    if known:
        whose = "" if record["config"].get("license") else ", as the card of the base model says"
        lines.append(f"- License: {text(known.get('license_name') or known['license'])}{whose}.")
    else:
        lines.append("- License: not known; no card of a base model says one (`--license NAME` does).")
    languages = card_metadata.languages_of(record, base)
    if languages:
        whose = "" if record["config"].get("language") else ", as the card of the base model says"
        lines.append(f"- Language: {text(', '.join(languages))}{whose}.")
    else:
        lines.append("- Language: not known (`--language CODE` says it).")
    return lines


# --- how it is used ---


def _usage(folder: Path, record: dict[str, Any]) -> list[str]:
    """Commands and code that are run in the folder of the model."""
    task, quantization = record["task"], record.get("quantization") or {}
    if task is None:
        return [
            "In this folder:",
            "",
            *_block(["from transformers import AutoModel", "", 'model = AutoModel.from_pretrained(".")']),
        ]
    view = task_class(task["name"]).view_type()
    lines = ["In this folder (elsewhere `.` is its path):", "", *_block([view.example_call(Path())], "bash")]
    if "file" in quantization:
        length = task.get("max_length")
        cached = ", and a cache of what was read before" if quantization.get("cache") else ""
        several = len(quantization.get("graphs") or ()) > 1
        opened = "" if several else "; transformers.js opens it with the name of the folder"
        limit = f", texts of at most {length:,} tokens" if length else ""
        lines += [
            "",
            f"{code(quantization['file'])} runs in ONNX Runtime and reads {', '.join(quantization['inputs'])}, shape "
            f"(batch_size, sequence_length){limit}{cached}{opened}.",
            "",
        ]
        if asked := view.onnx_code(task, quantization["file"]):
            lines += _block(asked)
    elif _is_pruned(folder):
        lines += [
            "",
            "Its layers differ in width, which no class of Transformers describes: `nlpkit.load` opens it.",
            "",
            *_block(
                [
                    "import nlpkit",
                    "from transformers import AutoTokenizer",
                    "",
                    'model, tokenizer = nlpkit.load("."), AutoTokenizer.from_pretrained(".")',
                    'print(model(**tokenizer("Your text here.", return_tensors="pt")))',
                ]
            ),
        ]
    elif plain := view.transformers_code(task):
        if other := view.other_code(task):
            lines += ["", f"With {other[0]}:", "", *_block(other[1])]
        lines += ["", "Without nlpkit:", "", *_block(plain)]
    return lines


def _is_pruned(folder: Path) -> bool:
    config = folder / CONFIG
    return config.is_file() and f'"{STRUCTURE}"' in small_text(config)


def _block(lines: list[str], language: str = "python") -> list[str]:
    return [f"```{language}", *lines, "```"]


# --- what was measured ---


def _results(record: dict[str, Any]) -> list[str]:
    judged = record["metrics"].values()
    names = [name for name in record["table_metrics"] if any(name in of_split for of_split in judged)]
    between = record.get("metric_intervals") or {}
    header = ["split", "rows", *titled(names, record.get("metric_notes") or {})]
    lines = [_row(map(text, header)), "|---|" + "---:|" * (len(header) - 1)]
    for split in with_figures(record["metrics"], names):
        named = standing.title(split, standing.drawn_in(record, split))
        rows = [(named, record["metrics"][split], between.get(split))]
        for baseline in baselines_of(record):
            if beside := baseline["metrics"].get(split):
                ends = (baseline.get("metric_intervals") or {}).get(split)
                rows.append((f"{split}: {baseline['name']}", beside, ends))
        for title, of_row, ends in rows:
            cells = [_cell(value) for value in figures(of_row, ends, names)]
            lines.append(_row([text(title), f"{record['judged'][split]:,}", *cells]))
    said = interval_notes(record) + few_rows({s: count for s, count in record["judged"].items() if s != "train"})
    said += chosen_by_validation(record) + against_baseline(record)
    return [
        *lines,
        *(line for note in said for line in ("", f"{text(note[0].upper() + note[1:])}.")),
        *_costs(record),
        *_confused(record),
    ]


def _costs(record: dict[str, Any]) -> list[str]:
    """What the model and those beside it cost, where they were timed."""
    table = costs.table(record)
    if table is None:
        return []
    rows = [_row(text(str(cell)) if cell is not None else "" for cell in row) for row in table.rows]
    learnt = (line for note in costs.lines(record) for line in ("", f"{text(note)}."))
    return ["", "What they cost:", "", _row(map(text, table.header)), "|---|---:|---:|---:|---:|", *rows, *learnt]


def _cell(value: float | Estimate | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _confused(record: dict[str, Any]) -> list[str]:
    """The labels that are taken for one another most often, where there are many."""
    details = record.get("details") or {}
    split = next((split for split in ("test", "validation") if split in details), None)
    lines: list[str] = []
    for table in confused.tables(split, details[split]) if split else []:
        lines += ["", f"{text(table.title[0].upper() + table.title[1:])}:", "", _row(map(text, table.header))]
        lines.append("|---|---|---:|---:|")
        lines += [_row(text(str(cell)) for cell in row) for row in table.whole or table.rows]
    return lines


def _before_and_after(record: dict[str, Any]) -> list[str]:
    """The models that distill, prune and quantize have measured beside each other."""
    price = record.get("price")
    if not price:
        return []
    first, *others = price["sides"]
    header = ["", *(side["name"] for side in price["sides"]), *(f"{side['name']} / {first['name']}" for side in others)]
    lines = [_row(map(text, header)), "|---|" + "---:|" * (len(header) - 1)]

    def row(title: str, worded: Callable[[float], str], given: list[float | None]) -> None:
        values = [value for value in given if value is not None]
        if len(values) == len(given):
            ratios = [f"{value / values[0]:.2f}" if values[0] else "" for value in values[1:]]
            lines.append(_row([text(title), *map(worded, values), *ratios]))

    sides = price["sides"]
    for name in record["table_metrics"]:
        row(name, lambda value: f"{value:.4f}", [side["metrics"].get(name) for side in sides])
    row("parameters", lambda value: f"{value / 1e6:.2f} M", [side["parameters"] for side in sides])
    row("size on disk", lambda value: human_bytes(int(value)), [side["bytes"] for side in sides])
    row("ms per row, median", lambda value: f"{value:.2f}", [side.get("p50_ms") for side in sides])
    row("ms per row, 95 % below", lambda value: f"{value:.2f}", [side.get("p95_ms") for side in sides])
    row("rows/s in batches", lambda value: f"{value:,.0f}", [side.get("rows_per_second") for side in sides])
    devices = "; ".join(dict.fromkeys(price["device"]))
    of = standing.title(price["split"], price.get("drawn_from"))
    said = f"On the {price['rows']:,} rows of {of}; {devices}, {price['date'][:10]}."
    batch = first.get("batch_size")
    timed = f" One row at a time, and batches of {batch} rows of like length; the model alone." if batch else ""
    fair = (line for note in standing.lines(price) for line in ("", f"{text(note[0].upper() + note[1:])}."))
    return [*lines, "", f"{text(said)}{timed}", *fair]


# --- the data ---


def _data(record: dict[str, Any]) -> list[str]:
    data, config = record["parents"].get("data") or {}, record["config"]
    files, revision = data.get("files") or {}, data.get("revision")
    source = {"hub": "the data set of the hub", "disk": "a saved data set"}.get(data.get("kind") or "", "files")
    lines = [f"{text(card_metadata.data_name(record))}, {source}{f', revision {code(revision)}' if revision else ''}."]
    by_split = files if isinstance(files, dict) else {"text": files}
    if isinstance(record["rows"], dict) and record["rows"]:
        lines += ["", "| split | rows | files |", "|---|---:|---|"]
        for split, count in record["rows"].items():
            named = [Path(file["path"]).name for file in by_split.get(split, [])]
            held_out = files and split not in by_split and "train" in by_split
            place = standing.drawn_in(record, split) or ("train" if held_out else None)
            where = ", ".join(map(text, named)) if place is None else standing.origin(place)
            lines.append(_row([text(split), "" if count is None else f"{count:,}", where]))
    sums = {Path(file["path"]).name: file["sha256"] for of_split in by_split.values() for file in of_split}
    if sums:
        shown = ", ".join(f"{text(name)} {code(digest[:DIGITS])}" for name, digest in list(sums.items())[:NAMED_LABELS])
        more = f" and {len(sums) - NAMED_LABELS:,} more" if len(sums) > NAMED_LABELS else ""
        lines += ["", f"SHA-256 begins: {shown}{more}."]
    drawn_from = standing.drawn_in(record, "test")
    if files and "validation" in (record["rows"] or {}) and "validation" not in by_split and "train" in by_split:
        together = ", equal texts together" if config.get("hold_out") == "texts" else ""
        seed = config.get("shuffle_seed")
        names = "Validation is" if drawn_from in (None, "train") else "Validation and test together are"
        of = "what is left of train" if drawn_from == "train" else "train"
        lines += [
            "",
            f"{names} {100 * config.get('validation_share', 0):g} % of {of}, drawn with the seed "
            f"{record['seed'] if seed is None else seed}{together}.",
        ]
    if drawn_from == "train":
        share = f"{100 * config.get('test_share', 0):g} %"
        lines += ["", f"Test is {share} of train, drawn before validation was: these rows have chosen nothing."]
    elif drawn_from is not None:
        lines += ["", "Test is half of the held-out rows, and has chosen nothing; validation is the half that chose."]
    drawn = {name: config.get(name) for name in ("max_train_samples", "max_eval_samples")}
    if any(drawn.values()):
        said = " ".join(f"--{name.replace('_', '-')} {count}" for name, count in drawn.items() if count)
        lines += ["", f"Only some of the rows were used: `{said}`."]
    lines += _labels(record)
    found = [finding for finding in record.get("findings") or [] if finding["level"] in ("warning", "note")]
    found = [finding for finding in found if finding.get("count") or finding["level"] == "warning"]
    if found:
        lines += ["", "Known problems of these data:", "", *(f"- {text(finding['message'])}" for finding in found)]
    return lines


def _labels(record: dict[str, Any]) -> list[str]:
    """A table of the labels with their counts; without counts, their names."""
    counts = record.get("label_counts") or {}
    if not counts:
        names = _task(record).get("labels") or []
        more = ", ..." if len(names) > MOST_LABELS else ""
        return ["", f"Labels: {', '.join(map(text, names[:MOST_LABELS]))}{more}."] if names else []
    names = list(next(iter(counts.values())))
    table = [_row(["label", *map(text, counts)]), "|---|" + "---:|" * len(counts)]
    for name in names[:MOST_LABELS]:
        table.append(_row([text(name), *(f"{of_split.get(name, 0):,}" for of_split in counts.values())]))
    if len(names) > MOST_LABELS:
        table += ["", f"{len(names) - MOST_LABELS:,} more labels are in `nlpkit.json`."]
    if len(names) <= OPEN_LABELS:
        return ["", *table]
    return ["", f"<details><summary>{len(names):,} labels</summary>", "", *table, "", "</details>"]


def _limits(record: dict[str, Any], base: Base) -> list[str]:
    """What is known of the run that bounds what its model is good for."""
    task, lines = record["task"] or {}, []
    if length := task.get("max_length"):
        view = task_class(task["name"]).view_type()
        lines.append(f"It reads {length:,} tokens of a text at once; {view.longer_texts(task)}.")
        if (trained := task.get("training_length")) and trained != length:
            lines.append(f"It was trained on at most {trained:,} tokens of a text.")
    train = (record.get("label_counts") or {}).get("train") or {}
    rare = {name: count for name, count in train.items() if count < FEW_ROWS}
    if rare:
        shown = ", ".join(f"{text(name)} ({count:,})" for name, count in list(rare.items())[:NAMED_LABELS])
        more = ", ..." if len(rare) > NAMED_LABELS else ""
        lines.append(f"{counted(len(rare), 'label has', 'labels have')} fewer than {FEW_ROWS} in train: {shown}{more}.")
    lines += _calibration(record)
    if card_metadata.languages_of(record, base) and not record["config"].get("language"):
        lines.append("The language is that of the base model's card; in which one the data are was not checked.")
    return [f"- {line}" for line in lines]


def _calibration(record: dict[str, Any]) -> list[str]:
    """Whether the scores of answers are probabilities; nothing of a model whose answers have none."""
    made = record.get("calibration")
    if not made:
        return []
    if made["temperature"] is None:
        return [f"Its scores are not calibrated: {text(made['why'])}."]
    before, after = (made[when].get("ece") for when in ("before", "after"))
    error = f"; expected calibration error {before:.3f} before, {after:.3f} after" if before is not None else ""
    rows = counted(made["rows"], "validation row", "validation rows")
    return [f"Its scores are calibrated with the temperature {made['temperature']:.3g}, by {rows}{error}."]


# --- how it was made ---


def _training(record: dict[str, Any]) -> list[str]:
    if not record["steps"]:
        return []
    config, best = record["config"], record.get("best_step")
    rows = config["batch_size"] * config["gradient_accumulation_steps"] * record.get("processes", 1)
    lines = [f"- {counted(record['steps'], 'step', 'steps')} of {counted(rows, 'row', 'rows')}: {_passes(record)}"]
    if best:
        epoch = record["epochs"] and record["epochs"] * best / record["steps"]
        after = f", after {_epochs(epoch)}" if epoch else ""
        lines.append(f"- best checkpoint at step {best:,}{after}, by validation {record['main_metric']}")
    lines += [
        f"- learning rate {config['learning_rate']:g} ({config['schedule']}, warm-up {config['warmup']:g}), "
        f"weight decay {config['weight_decay']:g}, seed {record['seed']}",
        f"- {duration(record['train_seconds'])} of training in all, on {text(record['device'])}",
    ]
    return lines


def _passes(record: dict[str, Any]) -> str:
    """How many epochs were trained, and what has decided that."""
    config, trained = record["config"], record["epochs"]
    flags = [flag for flag in ("epochs", "max_steps", "max_tokens", "max_minutes") if (config.get(flag) or 0) > 0]
    limits = ", ".join(f"`--{flag.replace('_', '-')} {config[flag]:g}`" for flag in flags)
    # nobody knows how long a stream is
    return f"{_epochs(trained)} ({limits})" if trained is not None else f"a stream ({limits})"


def _epochs(count: float) -> str:
    return f"{count:.3g} {'epoch' if count == 1 else 'epochs'}"


def _lineage(record: dict[str, Any]) -> list[str]:
    """A row for each model, from the first to this one: each line was measured beside the one above it."""
    steps, metric = record.get("lineage"), record["main_metric"]
    if not steps:
        return []
    timed = all("p50_ms" in step for step in steps)
    sessions = [step.get("session") for step in steps]
    several = timed and (None in sessions or any(session != sessions[0] for session in sessions))
    header = ["made by", "model", metric, "parameters", "size", *(["p50 ms", "rows/s"] if timed else [])]
    header += ["times as fast as the one above", "measured"] if several else []
    lines = [_row(map(text, header)), "|---|---|" + "---:|" * (len(header) - 2)]
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
        lines.append(_row(cells))
    if several:
        lines += ["", "Times of different sessions do not compare: how many times as fast was measured in one."]
    return lines


def _alternative(record: Mapping[str, Any], plot: str) -> str:
    """What is seen in a picture, for those who do not see it."""
    best = f"the best checkpoint is at step {record['best_step']:,}" if record.get("best_step") else "all checkpoints"
    split = "test" if "test" in record["metrics"] else "validation"
    template = ALTERNATIVES.get(plot)
    if template is None:
        return plot.replace("_", " ")
    return template.format(steps=f"{record['steps']:,}", best=best, split=split)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
