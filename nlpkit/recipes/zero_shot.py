"""Sort texts into labels that are named when asked: nothing is trained.
Prints the answers; --output writes them to a file.

Three ways, of which the first line of the output names the one that is used; --by chooses another:
embedding: of an embedder or another encoder. Each label is put into --template, and the label whose sentence has the
vector nearest to that of the text is the answer. One pass a text, however many labels there are.
nli: of a model for natural language inference (its labels are entailment, neutral, contradiction). For each label it is
asked whether the text entails the sentence. One pass for each text and label.
cascade: --embedder chooses --shortlist labels, and a model for inference decides among them.

Files, columns and answers are as for `predict`. `evaluate`, `benchmark` and `quantize` take such a model with
--task zero-shot-by-embedding, or --task zero-shot-classification for inference.

Examples: nlpkit zero-shot minilm "The match ended in a draw." --labels sports,news
nlpkit zero-shot runs/nli --input news.csv --labels a,b --multi-label
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import flag_of, option, option_like
from nlpkit.recipes import predict
from nlpkit.reporting import Report, Table
from nlpkit.runs.folder import read_record
from nlpkit.tasks import registry
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.sentence_embedding.options import PoolingOptions
from nlpkit.tasks.zero_shot import templates
from nlpkit.tasks.zero_shot.options import ByEmbeddingAnswerOptions, InferenceAnswerOptions

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor
    from nlpkit.tasks.zero_shot.base import ZeroShot

COMMAND = "zero-shot"
NLI, EMBEDDING = "zero-shot-classification", "zero-shot-by-embedding"
TASKS = {"nli": NLI, "cascade": NLI, "embedding": EMBEDDING}  # by way
CHOSEN = 10  # labels of a shortlist, where the cascade is asked for and nothing is said of them
TRIED = 200  # texts on which templates are tried
ESSENTIAL: tuple[str, ...] = (
    "model",
    "texts",
    "labels",
    "labels_file",
    "by",
    "template",
    "choose_template",
    "multi_label",
    "input",
    "output",
)

writes_to_stdout = predict.writes_to_stdout


class Config(InferenceAnswerOptions, ByEmbeddingAnswerOptions, predict.AnswerOptions):
    """Options of `nlpkit zero-shot`."""

    settled_for: ClassVar[str | None] = NLI

    by: Literal["embedding", "nli", "cascade"] | None = option(
        None,
        "How a label is chosen.",
        panel="Task",
        shown_default="the model's",
    )
    choose_template: str | None = option(
        None,
        "Try templates on the texts, use the clearest.",
        panel="Task",
        metavar="default|FILE",
    )
    task: str | None = option_like(TaskChoiceOptions, "task", shown_default="that of --by")
    output: Path | None = option_like(predict.AnswerOptions, "output", help="csv, tsv, jsonl or parquet file.")


def run(config: Config) -> Report:
    """Answer as `predict` does with one of the tasks of zero-shot classification."""
    config = _settled(config)
    if config.choose_template is not None and config.input == "-":
        raise UserError(
            "--choose-template reads the first rows before all are answered, and standard input is read once",
            "Write it to a file first.",
        )
    choices = templates.listed(config.choose_template) if config.choose_template is not None else []
    predictor, settled = predict.opened(config)
    tables, told = [], {}
    if choices:
        found, rows = _tried(predictor, settled, choices)
        best = max(found, key=lambda tried: tried.margin)
        predictor = predictor.configured(settled.changed(template=best.template))
        tables.append(_table(found, rows))
        told = {"templates": [tried._asdict() for tried in found], "template": best.template}
    task: ZeroShot = predictor.task
    reporting.current().note(task.way)
    report = predict.answered(predictor, settled)
    report.record |= {"by": _way(task, config), **told}
    report.tables[:0] = tables
    return report


def _settled(config: Config) -> Config:
    """With the task of the way that is asked for, or that is the model's.

    Raises:
        UserError: what is asked for does not go together.
    """
    if config.by is not None and config.task is not None:
        raise UserError("--by and --task both say how labels are chosen", "Give one of them.")
    if config.task is not None and config.task not in TASKS.values():
        raise UserError(f"--task {config.task} is no way of zero-shot classification", f"There are {NLI}, {EMBEDDING}.")
    if config.template != type(config).model_fields["template"].default and config.choose_template is not None:
        raise UserError("--template gives the sentence that --choose-template would choose", "Give one of them.")
    if config.by == "cascade":
        if config.embedder is None:
            raise UserError("--by cascade: no model is named that chooses labels", "Name one: --embedder minilm.")
        config = config.changed(shortlist=config.shortlist or CHOSEN)
    elif config.by is not None and config.shortlist is not None:
        raise UserError(f"--shortlist is for --by cascade, not for --by {config.by}", "Leave it out.")
    named = config.task or (TASKS[config.by] if config.by else _task_of(config))
    if named == EMBEDDING and config.shortlist is not None:
        raise UserError(
            f"--shortlist: {config.model} is asked by embedding, which compares all labels at once",
            "Name a model for inference, or leave out --shortlist and --embedder.",
        )
    pooled = [name for name in PoolingOptions.model_fields if name in config.given]
    if named == NLI and pooled:
        raise UserError(
            f"{flag_of(pooled[0])} says how vectors are made, and {config.model} is asked by inference, without any",
            "Leave it out, or compare vectors: --by embedding.",
        )
    return config.changed(task=named)


def _task_of(config: Config) -> str:
    """The way of a model that was not asked for one: what it was made or trained for."""
    place = opening.resolve(config.model)
    trust: Any = {"revision": config.model_revision, "trust_remote_code": config.trust_remote_code}
    document = opening.load_config(place, **trust)
    record = (read_record(place) or {}).get("task")
    of_model = registry.class_of_model(config.model, revision=config.model_revision)
    if of_model is not None and of_model.name in TASKS.values():
        return of_model.name
    if registry.task_class(NLI).claims(document, record, place) is not None:
        return NLI
    # a head of another task says that the vectors below it were trained for that: they are compared where --by asks
    return EMBEDDING if of_model is None or of_model.name == "sentence-embedding" else NLI


def _way(task: ZeroShot, config: Config) -> str:
    if task.name == EMBEDDING:
        return "embedding"
    return "nli" if config.shortlist is None else "cascade"


def _tried(
    predictor: Predictor, config: predict.AnswerOptions, choices: list[str]
) -> tuple[list[templates.Tried], int]:
    """What the answers to the first texts are like with each template; how many texts there are."""
    inputs = predict.first_inputs(predictor, config, TRIED)
    if not inputs:
        raise UserError("--choose-template: there is no text that could be read", "Give --template instead.")
    size = predictor.task.classifier.labels.size
    if size < 2:
        raise UserError("--choose-template compares the scores of labels, and one alone is named", "Name two.")
    columns = {name: [entry[name] for entry in inputs] for name in inputs[0]}
    scores = []
    with reporting.current().progress("templates", len(choices) * len(inputs), "texts") as bar:
        for template in choices:
            asked = predictor.configured(config.changed(template=template))
            scores.append(asked.task.classifier.problem.probabilities(asked.outputs(columns, bar)))
    return templates.compared(choices, scores), len(inputs)


def _table(found: list[templates.Tried], rows: int) -> Table:
    """The templates, the one that is used first."""
    lines: list[list[Any]] = [
        [tried.template, tried.margin, f"{tried.changed:.1%}"]
        for tried in sorted(found, key=lambda tried: -tried.margin)
    ]
    header = ["template", "margin", "other answers"]
    return Table(f"templates, by {reporting.counted(rows, 'text', 'texts')}; the first is used", header, lines)
