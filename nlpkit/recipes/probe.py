"""Find out what each layer of a model knows: parts of speech, dependencies, ...
Prints a table by property; writes figures, pictures and a card to a folder.

A linear classifier is trained on the states of each layer for each --label: a column of words (CoNLL, CoNLL-U) or of
rows (csv, jsonl, parquet), a feature of CoNLL-U (Tense), dependency (a word and its head), root-tense, length, and
coreference for the GAP corpus. Beside it stand a control task of random labels that hang on the word (selectivity), an
untrained model of the same shape, and what the word alone says. A mix of all layers tells which of them are read.
--what heads tells which attention head finds which relation of CoNLL-U, against the best fixed distance, and what heads
look at whatever the sentence says; --what attention learns a parser of the attention of all heads.

Examples: nlpkit probe minilm --data train.conllu --label upos,dependency,Tense
nlpkit probe minilm --data train.conllu --what heads
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.probing.options import ProbeOptions
from nlpkit.reporting import Report, counted
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, human_bytes, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlpkit.probing.material import Material
    from nlpkit.probing.opened import Opened

COMMAND = "probe"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "data",
    "what",
    "validation_file",
    "label",
    "layers",
    "max_words",
    "output",
)


class Config(ProbeOptions):
    """Options of `nlpkit probe`."""


@lock.given_back()
def run(config: Config) -> Report:
    """Probe all layers for all properties, write the folder; returns its tables and figures.

    Raises:
        UserError: the model gives no hidden states, a layer or a label is not there, or there is nothing to tell apart.
    """
    started = time.monotonic()
    if config.data is None and not config.train_file:
        raise UserError("name the data to probe with: --data FILE", "nlpkit probe minilm --data train.conllu")
    config.refuse_unread()
    folder = RunFolder(config.output or RunFolder.default_path(splits.short_name(config), COMMAND))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    if config.what != "layers":
        from nlpkit.probing.heads import operation

        return operation.probe(config, COMMAND, folder, started)
    from nlpkit.probing import layers, told, written
    from nlpkit.probing.material import open_material
    from nlpkit.probing.opened import open_model

    model = open_model(config)
    chosen = layers.chosen(config.layers, model)
    if config.pooling == "cls" and model.tokenizer.cls_token_id is None:
        raise UserError(
            f"--pooling cls: the tokenizer of {config.model} puts no [CLS] before a text",
            "Take the mean, or the last token: --pooling last",
        )
    material = open_material(config)
    _refuse_unread(config, material)
    needed = layers.bytes_needed(model, material, chosen)
    reporting.current().plan(COMMAND, _plan(model, material, config, chosen, needed, folder))
    parts = (("train", material.train), ("validation", material.validation))
    for split, part in parts:
        for line, lost in told.rows_read(split, part, config.max_words):
            (reporting.current().warn if lost else reporting.current().note)(line)
    layers.require_memory(needed)
    found = layers.probed(model, material, chosen, config)
    for one in found:
        for line in told.left_out(one):
            reporting.current().note(line)
    title = told.about(material, model.name)
    head = {
        "model": config.model,
        "described": model.described,
        "data": config.data or ", ".join(config.train_file),
        "layers": chosen,
        "word": config.word,
        "pooling": config.pooling,
        "seed": config.seed,
    }
    record = {
        "command": COMMAND,
        "config": config.record(),
        "parents": {"model": {"given": config.model, "revision": config.model_revision}},
        "data": material.loaded.source.to_record(),
        "metrics": {"validation": told.metrics(found)},
        "rows": {split: part.drawn for split, part in parts},
        "probed": {split: _counts(part) for split, part in parts},
        "layers": chosen,
        "device": model.weights.device.described,
        "seed": config.seed,
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        written.write(staged, found, head, title)
        folder.finish(record, staged, keep_checkpoints=False)
    properties = {one.task.name: one.record() for one in found}
    report = {"command": COMMAND, "metrics": record["metrics"], **head, "properties": properties}
    report |= {"rows": record["rows"], "probed": record["probed"], "output": str(folder.path)}
    return Report(report, [told.table(one) for one in found], told.lines(found, folder.path))


def _refuse_unread(config: Config, material: Material) -> None:
    """Raises UserError: it is said what stands for words or for sentences, and nothing is probed in such."""
    of_sentences = [one.name for one in material.properties if one.of == "sentences"]
    names = ", ".join(one.name for one in material.properties)
    if "pooling" in config.given and not of_sentences:
        raise UserError(f"--pooling says what stands for a sentence, and {names} is of words", "Leave it out.")
    if "word" in config.given and len(of_sentences) == len(material.properties):
        raise UserError(f"--word says what stands for a word, and {names} is of sentences", "Leave it out.")


def _counts(part: Any) -> dict[str, Any]:
    """What became of the rows of a split."""
    unread = {why: len(places) for why, places in part.unread.items()}
    return {"rows": part.rows, "left_out": unread, "drawn": part.drawn, "words": len(part.forms)}


def _plan(
    model: Opened, material: Material, config: Config, chosen: Sequence[int], needed: int, folder: RunFolder
) -> list[tuple[str, str]]:
    parts = (("train", material.train), ("validation", material.validation))
    rows = ", ".join(
        f"{split} {counted(part.drawn, 'row', 'rows')}{f' with {len(part.forms):,} words' if part.forms else ''}"
        for split, part in parts
    )
    which = "all" if len(chosen) == model.layers + 1 else ", ".join(map(str, chosen))
    return [
        ("model", f"{config.model}: {model.described}"),
        ("data", rows),
        ("probed for", "; ".join(f"{one.name}: {one.about}" for one in material.properties)),
        ("layers", f"{which}; states take {human_bytes(needed)}"),
        ("device", model.weights.device.described),
        ("output", str(folder.path)),
    ]
