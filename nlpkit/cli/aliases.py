"""Commands as people know them from the example scripts, translated to nlpkit's options.

Underscores and dashes mean the same. A name that has another spelling here is taken silently; a name that
Transformers 5 renamed or removed, or that asks for what is always done, is translated with one line that says so; one
that has no meaning here is refused with the reason. `docs/how-to/coming-from-trainer.md` lists them all.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nlpkit import trainer_fields
from nlpkit.errors import UserError
from nlpkit.options import FALSE, OLD_NAMES, TRUE, truth_of


def _dashed(name: str) -> str:
    return name.replace("_", "-")


# old name -> option here, same meaning; of several, divided by |, the first that the command has
SAME: dict[str, str] = {
    **{_dashed(field): _dashed(option) for field, option in trainer_fields.OPTIONS.items() if field != option},
    "model-name-or-path": "model",
    "model-name": "model",
    "tokenizer-name": "tokenizer",
    "num-epochs": "epochs",
    "train-batch-size": "batch-size",
    "per-gpu-train-batch-size": "batch-size",
    "eval-batch-size": "batch-size",
    "per-device-eval-batch-size": "eval-batch-size|batch-size",
    "per-gpu-eval-batch-size": "eval-batch-size|batch-size",
    "max-seq-length": "max-length",
    "max-seq-len": "max-length",
    "dataset-name": "data",
    "dataset-config-name": "data-config",
    "dataset-revision": "data-revision",
    "lr": "learning-rate",
    "num-warmup-steps": "warmup",
    "max-train-steps": "max-steps",
    "early-stopping-patience": "early-stopping",
    "text-column-name": "text-column",
    "text-column-names": "text-column",
    "label-column-name": "label-column|tag-column",
    "train-split-name": "train-split",
    "validation-split-name": "validation-split",
    "test-split-name": "test-split",
    "model-revision": "model-revision",
    "block-size": "max-length",
    "text-pair-column-name": "text-pair-column",
    "question-column-name": "question-column",
    "context-column-name": "context-column",
    "answer-column-name": "answers-column",
    "dataset-config": "data-config",
    "train-file": "data",
    "train-data-file": "train-file|data",
    "eval-data-file": "validation-file",
    "predict-file": "validation-file",
    "max-source-length": "max-length",
    "source-prefix": "prefix",
    "summary-column": "target-columns",
    "forced-bos-token": "target-language",
    "num-beams": "beams",
    "generation-num-beams": "beams",
    "model-type": "arch",
    "whole-word-mask": "whole-word-masking",
    "xpu-backend": "trainer=ddp_backend",
    "use-cpu": "device=cpu",
    "use-mps-device": "device=mps",
    "do-regression": "problem=regression",
    **{old.replace("_", "-"): name.replace("_", "-") for old, name in OLD_NAMES.items()},
}

# old name -> (what to do with its value, whether it takes one, what to say: of the value, where that matters)
Translation = Callable[[str | None], list[str]]
Said = str | Callable[[str | None], str]

NO_WAYS: Mapping[str, Collection[str]] = {}


def _drop(_: str | None) -> list[str]:
    return []


def _to(*arguments: str) -> Translation:
    return lambda _: list(arguments)


def _never(why: str, hint: str | None = None) -> tuple[Translation, bool, str]:
    """A name that is refused, unless its value asks for nothing."""

    def refuse(value: str | None) -> list[str]:
        if value is not None and _is_nothing(value):
            return []
        raise UserError(why, hint)

    return refuse, True, ""


def _is_nothing(value: str) -> bool:
    return not value or truth_of(value) is False


def _eval_strategy(value: str | None) -> list[str]:
    if value not in ("epoch", "steps", "no", None):
        raise UserError(f"--eval-strategy '{value}': nlpkit evaluates each epoch, or each --eval-steps N steps")
    return []


def _schedule(value: str | None) -> list[str]:
    # that of Trainer begins with the full rate, whatever the warm-up is
    return ["--schedule", value or "", *(["--warmup", "0"] if value == "constant" else [])]


def _warmup_share(value: str | None) -> list[str]:
    with contextlib.suppress(ValueError):
        if not 0 <= float(value or "") < 1:
            raise UserError(
                f"--warmup-ratio {value}: it is a share of all steps, below 1", "A number of steps: --warmup N."
            )
    return ["--warmup", value or ""]


def _sampling(value: str | None) -> list[str]:
    orders = {"random": "random", "group_by_length": "length"}
    if value not in orders:
        raise UserError(f"--train-sampling-strategy '{value}': rows come in random order", "See --batching.")
    return ["--batching", orders[value]]


def _percentage(value: str | None) -> list[str]:
    try:
        return ["--validation-share", f"{float(value or '') / 100:g}"]
    except ValueError:
        raise UserError(f"--validation-split-percentage '{value}': not a number") from None


def _side(column: str, language: str) -> Translation:
    """A language of run_translation.py: the key of its texts, with a region the code of the tokenizer too (en_XX)."""

    def named(value: str | None) -> list[str]:
        key = (value or "").partition("_")[0]
        return [f"--{column}", key, *([f"--{language}", value] if value and key != value else [])]

    return named


_SOURCE = _side("text-column", "source-language")
_TARGET = _side("target-columns", "target-language")


def _task_name(value: str | None) -> list[str]:
    name = (value or "").lower()  # as the scripts read it
    return ["--column", name] if name in ("ner", "pos", "chunk") else ["--data", f"glue:{name}"]


def _resume(value: str | None) -> list[str]:
    return [] if value is not None and value.lower() in (*FALSE, "none") else ["--resume"]


def _weight_type(value: str | None) -> list[str]:
    if value not in ("auto", "float32", "fp32"):
        raise UserError(f"--dtype {value}: weights are trained in float32", "Arithmetic: --precision bf16 or fp16.")
    return []


RENAMED: dict[str, tuple[Translation, bool, Said]] = {
    "evaluation-strategy": (_eval_strategy, True, "nlpkit evaluates each epoch, or each --eval-steps N"),
    "eval-strategy": (_eval_strategy, True, "nlpkit evaluates each epoch, or each --eval-steps N"),
    "lr-scheduler-type": (
        _schedule,
        True,
        lambda value: "--schedule constant --warmup 0" if value == "constant" else "",
    ),
    "train-sampling-strategy": (_sampling, True, ""),
    "checkpointing-steps": (_drop, True, trainer_fields.SETTLED["save_steps"]),
    "save-total-limit": (_drop, True, "only the best and the last checkpoint are kept (--trainer save_total_limit=N)"),
    "overwrite-output-dir": (_to("--overwrite"), False, "--overwrite"),
    "warmup-ratio": (_warmup_share, True, "--warmup takes a share below 1"),
    "group-by-length": (_drop, False, "rows of like length are batched by default (--batching)"),
    "pad-to-max-length": (_drop, False, "batches are padded to their longest row only"),
    "no-cuda": (_to("--device", "cpu"), False, "--device cpu"),
    "fp16": (_to("--precision", "fp16"), False, "--precision fp16"),
    "bf16": (_to("--precision", "bf16"), False, "--precision bf16"),
    "tf32": (_to("--precision", "tf32"), False, "--precision tf32"),
    "adafactor": (_to("--trainer", "optim=adafactor"), False, "--trainer optim=adafactor"),
    "logging-dir": (_drop, True, "tracker files go to the run folder"),
    "use-fast-tokenizer": (_drop, False, "tokenizers are always the fast ones"),
    "resume-from-checkpoint": (
        _resume,
        True,
        lambda value: "from the last checkpoint in --output" if _resume(value) else "",
    ),
    "task-name": (_task_name, True, "--data glue:NAME; of words --column ner, pos or chunk"),
    "return-entity-level-metrics": (_drop, False, "entities are always scored by type too (evaluate --per-class)"),
    "version-2-with-negative": (_drop, False, "the data say whether questions may have no answer"),
    "null-score-diff-threshold": (
        _drop,
        True,
        "the threshold is tuned on validation; evaluate and predict take another (--null-threshold)",
    ),
    "n-best-size": (_drop, True, "the best answers are found exactly; predict lists more of them (--n-best)"),
    "source-lang": (_SOURCE, True, lambda value: " ".join(_SOURCE(value))),
    "target-lang": (_TARGET, True, lambda value: " ".join(_TARGET(value))),
    "predict-with-generate": (_drop, False, "judged is always what the model writes"),
    "sortish-sampler": (_drop, False, "rows of like length are batched by default (--batching)"),
    "ignore-pad-token-for-loss": (_drop, False, "padding has no part in the loss"),
    "val-max-target-length": (_drop, True, "what was written is compared with whole targets"),
    "generation-max-length": (
        _drop,
        True,
        "how much is written at most follows from the rows (evaluate and predict take --max-new-tokens)",
    ),
    "resize-position-embeddings": _never(
        "--resize-position-embeddings: a model reads as far as it was trained to", "Texts are cut: --max-length."
    ),
    "validation-split-percentage": (_percentage, True, "--validation-share takes a share below 1"),
    "preprocessing-num-workers": (_drop, True, "the tokenizers library uses every core"),
    "overwrite-cache": (_drop, False, "caches are keyed by content"),
    "max-predict-samples": (_drop, True, "--max-eval-samples limits the test split too"),
    "max-test-samples": (_drop, True, "--max-eval-samples limits the test split too"),
    "ignore-mismatched-sizes": (_drop, False, "a head that does not fit the labels is made anew, which is said"),
    "shuffle-train-dataset": (_drop, False, "rows come in another order in each epoch"),
    "metric-name": (_drop, True, "every metric of the task is computed; --best-metric picks the checkpoint"),
    "low-cpu-mem-usage": (_drop, False, "weights are always read that way"),
    "dtype": (_weight_type, True, "weights are trained in float32"),
    "torch-dtype": (_weight_type, True, "weights are trained in float32"),
    "with-tracking": (_drop, False, "--report-to names a tracker"),
    "save-safetensors": (_drop, False, "weights are always saved as safetensors"),
    "half-precision-backend": (_drop, True, "torch does it: --precision"),
    "fp16-backend": (_drop, True, "torch does it: --precision"),
    "fp16-opt-level": (_drop, True, "torch does it: --precision"),
    "include-inputs-for-metrics": (_drop, False, trainer_fields.SETTLED["include_for_metrics"]),
    "include-tokens-per-second": (_drop, False, "rows and tokens per second are always measured"),
    "do-lower-case": (_drop, False, "the tokenizer says whether letters are made small"),
    "evaluate-during-training": (_drop, False, "nlpkit evaluates each epoch, or each --eval-steps N"),
    "mlm": (_drop, False, "pretrain-mlm masks, unless --objective names another"),
    "use-legacy-prediction-loop": (_drop, False, "it is gone"),
    "jit-mode-eval": (_drop, False, "it is gone; --compile"),
    "use-ipex": (_drop, False, "it is gone; --compile"),
    "config-name": _never(
        "--config-name: a model is built as its own config says",
        "Leave it out; the shape of a model from scratch: pretrain-mlm --arch, --size, --layers, --hidden-size, ...",
    ),
    "config-overrides": _never(
        "--config-overrides: a model is built as its own config says",
        "The shape of a model from scratch: pretrain-mlm --arch, --size, --layers, --hidden-size, ...",
    ),
    "text-column-delimiter": _never("--text-column-delimiter: texts are read from one column, or two as a pair"),
    "remove-splits": _never("--remove-splits: name the splits to use: --train-split, --validation-split, --test-split"),
    "remove-columns": _never("--remove-columns: name the columns to use: --text-column, --label-column"),
    "dispatch-batches": _never(
        "--dispatch-batches: write it as --trainer 'accelerator_config={\"dispatch_batches\": true}'"
    ),
    "split-batches": _never("--split-batches: --batch-size is that of each device"),
    "sharded-ddp": _never(f"--sharded-ddp: {trainer_fields.REFUSED['fsdp'][0]}"),
    "tpu-num-cores": _never("--tpu-num-cores: nlpkit trains on cpu, cuda and mps"),
    "torchdynamo": _never("--torchdynamo: it is --compile, with --trainer torch_compile_backend=NAME"),
}

# Of the scripts' names those that say something to the libraries: variables of the environment, for this process.
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "cache-dir": ("HF_HUB_CACHE", "HF_DATASETS_CACHE"),
    "token": ("HF_TOKEN",),
    "use-auth-token": ("HF_TOKEN",),
}


class _Option(NamedTuple):
    """An option on a command line, before its value is looked for behind it.

    Attributes:
        written: its name as it was typed, without the dashes in front.
        value: what stands behind =; None without one.
    """

    written: str
    value: str | None

    @property
    def name(self) -> str:
        """The name with dashes."""
        return _dashed(self.written)

    @property
    def field(self) -> str:
        """The name as `TrainingArguments` has it."""
        return self.written.replace("-", "_")

    @classmethod
    def of(cls, argument: str) -> _Option | None:
        """The option that an argument begins; None where it is a value, or a text."""
        if not argument.startswith("--") or len(argument) < 3:
            return None
        written, sign, value = argument[2:].partition("=")
        return cls(written, value if sign else None)


class _Arguments:
    """The arguments of a command, read from left to right up to `--`, behind which no option stands."""

    def __init__(self, arguments: Sequence[str]) -> None:
        end = arguments.index("--") if "--" in arguments else len(arguments)
        self._left = collections.deque(arguments[:end])
        self.behind = list(arguments[end:])
        """From `--` on."""

    def __iter__(self) -> Iterator[str]:
        while self._left:
            yield self._left.popleft()

    def value(self, option: _Option, takes: Callable[[str], bool]) -> str | None:
        """The value of an option that was just read: behind =, or the next argument, if the option takes such a one.

        Returns:
            None where there is neither.
        """
        if option.value is not None:
            return option.value
        return self._left.popleft() if self._left and takes(self._left[0]) else None


def _any_value(argument: str) -> bool:
    """What an option with a value takes."""
    return not argument.startswith("--")


def _yes_or_no(argument: str) -> bool:
    """What a switch of the scripts takes."""
    return argument.lower() in TRUE | FALSE


def _true_or_false(argument: str) -> bool:
    """What a switch of nlpkit takes: another word may be a text to answer."""
    return argument.lower() in ("true", "false")


def environment(arguments: list[str], known: Collection[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Take `ENVIRONMENT` out of the arguments; returns the others, the variables to set, and the lines to say.

    Args:
        arguments: what follows the subcommand on the command line.
        known: the subcommand's own options, without dashes in front.

    Raises:
        UserError: a name without its value.
    """
    out: list[str] = []
    variables: dict[str, str] = {}
    notes: list[str] = []
    read = _Arguments(arguments)
    for argument in read:
        option = _Option.of(argument)
        names = ENVIRONMENT.get(option.name) if option and option.name not in known else None
        if option is None or names is None:
            out.append(argument)
            continue
        flag, value = f"--{option.written}", read.value(option, _any_value) or ""
        if names == ("HF_TOKEN",) and value.lower() in ("", "none", *TRUE, *FALSE):
            notes.append(f"{flag}: the token of `hf auth login` or HF_TOKEN is used where one is needed")
            continue
        if not value:
            raise UserError(f"{flag} needs a value", f"Write it {flag} VALUE.")
        variables |= dict.fromkeys(names, value)
        if names == ("HF_TOKEN",):
            notes.append(f"{flag}: HF_TOKEN for this command; others can read a command line")
        else:
            notes.append(f"{flag}: {names[0]}={value} for this command")
    return out + read.behind, variables, notes


def translate(
    arguments: list[str],
    known: set[str],
    switches: Collection[str] = (),
    ways: Mapping[str, Collection[str]] = NO_WAYS,
) -> tuple[list[str], list[str]]:
    """Rewrite foreign option names; returns the new arguments and the lines to say.

    Args:
        arguments: what follows the subcommand on the command line.
        known: the subcommand's own options, without dashes in front.
        switches: those of them without a value; the example scripts write True or False behind theirs.
        ways: the values that others may have, which are switches without one.

    Raises:
        UserError: an old option has no meaning here, or a value that nlpkit has no counterpart for.
    """
    notes: list[str] = []
    if "push-to-hub" in known:
        arguments, notes = _of_hub(arguments)
    given = _given(arguments)
    if "resume" in known:
        _require_same_folder(given)
    read = _Arguments(arguments)
    made = _Translated(read, known, switches, ways, _idle(given), notes=notes)
    if line := _evaluated_when_logged(given):
        made.out += ["--eval-steps", given["logging-steps"]]
        made.notes.append(line)
    for argument in read:
        if (option := _Option.of(argument)) is None:
            made.out.append(argument)
        else:
            made.add(option)
    return made.out + read.behind, made.notes


@dataclass
class _Translated:
    """What came of the arguments that were read so far.

    Attributes:
        read: the arguments, of which options take their values.
        known, switches, ways: see `translate`.
        idle: see `_idle`.
        out: the new arguments.
        notes: lines for people.
    """

    read: _Arguments
    known: Collection[str]
    switches: Collection[str]
    ways: Mapping[str, Collection[str]]
    idle: Mapping[str, str]
    out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, option: _Option) -> None:
        """Translate one option, with its value.

        Raises:
            UserError: see `translate`.
        """
        if option.name not in self.known and _is_off(option.name):
            option = _Option(option.written[len("no-") :], "False")
        if option.name in self.idle:
            self.read.value(option, _any_value)
            self._say(option, f"not used; {self.idle[option.name]}")
        elif option.name in self.known:
            self._own(option.name, option)
        elif option.name in RENAMED:
            self._renamed(option)
        elif option.name in SAME:
            self._same(option)
        elif option.field in trainer_fields.PASSED and "trainer" in self.known:
            self._passed(option)
        elif option.field in trainer_fields.SETTLED:
            self._settled(option)
        elif option.field in trainer_fields.REFUSED:
            self._refused(option)
        else:
            self._own(option.name, option)  # which is unknown: the parser of the command says so

    def _say(self, option: _Option, line: str) -> None:
        self.notes.append(f"--{option.written}: {line}")

    def _foreign_value(self, option: _Option, *, switch: bool) -> str | None:
        return self.read.value(option, _yes_or_no if switch else _any_value)

    def _own(self, name: str, option: _Option) -> None:
        """An option of the command, which may be called otherwise on the command line."""
        turned_off = name.removeprefix("no-")
        if name in self.ways:
            words = {*self.ways[name], "true", "false"}
            # of several at commas one may be misspelt: the config says which
            value = self.read.value(option, lambda argument: not words.isdisjoint(argument.lower().split(",")))
            self.out.append(f"--{name}={value or 'true'}")
        elif turned_off in self.ways:
            self.out.append(f"--{turned_off}=false")
        elif name in self.switches:
            value = self.read.value(option, _true_or_false)
            self.out.append(f"--{name}" if is_on(name, value or None) else f"--no-{name}")
        else:  # its value, if it stands behind a blank, is the next argument to be read
            self.out.append(f"--{name}" if option.value is None else f"--{name}={option.value}")

    def _renamed(self, option: _Option) -> None:
        convert, takes_value, now = RENAMED[option.name]
        value = self._foreign_value(option, switch=not takes_value)
        if not takes_value and not is_on(option.written, value):
            self._say(option, str(now) if convert is _drop else f"not set; it is {now} here")
            return
        self.out += convert(value)
        if line := now if isinstance(now, str) else now(value):
            self._say(option, line)

    def _same(self, option: _Option) -> None:
        targets, _, fixed = SAME[option.name].partition("=")
        choices = targets.split("|")
        target = next((each for each in choices if each in self.known), choices[0])
        if target not in self.known:
            self._say(option, f"--{target} of other commands")
        if target == "trainer":
            value = self._foreign_value(option, switch=False)
            self.out += ["--trainer", f"{fixed}={value or ''}"]
        elif not fixed:
            self._own(target, option)
        elif is_on(option.written, self._foreign_value(option, switch=True)):
            self.out += [f"--{target}", fixed]

    def _passed(self, option: _Option) -> None:
        """A field of `TrainingArguments` that --trainer hands on."""
        switch = option.field in trainer_fields.SWITCHES
        value = self._foreign_value(option, switch=switch)
        if switch:
            value = str(is_on(option.written, value)).lower()
        elif value is None:
            raise UserError(f"--{option.written} needs a value", f"Write it --trainer {option.field}=VALUE.")
        self.out += ["--trainer", f"{option.field}={value}"]

    def _settled(self, option: _Option) -> None:
        """One whose value nlpkit sets itself."""
        why = trainer_fields.SETTLED[option.field]
        value = self._foreign_value(option, switch=option.field not in trainer_fields.SETTLED_VALUES)
        if option.field in trainer_fields.NEVER_OFF and value is not None and not is_on(option.written, value):
            raise UserError(f"--{option.written} {value}: {why}", trainer_fields.NEVER_OFF[option.field])
        self._say(option, why)

    def _refused(self, option: _Option) -> None:
        """One that has no meaning here, unless its value asks for nothing."""
        why, harmless = trainer_fields.REFUSED[option.field]
        switch = harmless in TRUE | FALSE
        value = self._foreign_value(option, switch=switch)
        if switch:
            value = str(is_on(option.written, value)).lower()
        if value != harmless and (harmless or value is None or not _is_nothing(value)):
            raise UserError(f"--{option.written}: {why}", "Leave it out.")


def _given(arguments: list[str]) -> dict[str, str]:
    """The values behind the names on a command line, the last where there are several."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options: dict[str, str] = {}
    for token, following in itertools.zip_longest(arguments[:end], arguments[1:end], fillvalue=""):
        if not token.startswith("--"):
            continue
        name, sign, value = token.removeprefix("--").partition("=")
        if not sign and not following.startswith("--"):
            value = following
        options[_dashed(name)] = value
    return options


def _idle(given: Mapping[str, str]) -> dict[str, str]:
    """Names that say nothing to a Trainer beside others that are given, and why.

    Args:
        given: see `_given`.
    """
    idle: dict[str, str] = {}
    steps = next((name for name in ("warmup-steps", "num-warmup-steps") if name in given), None)
    if given.get("lr-scheduler-type") == "constant":
        why = "the schedule `constant` of Trainer has no warm-up, constant_with_warmup has one"
        idle |= dict.fromkeys(("warmup-steps", "num-warmup-steps", "warmup-ratio"), why)
    elif steps and "warmup-ratio" in given:
        none = given[steps].strip() in ("0", "0.0")
        idle[steps if none else "warmup-ratio"] = f"--{'warmup-ratio' if none else steps} counts beside it"
    precisions = [
        name for name in ("bf16", "fp16", "precision") if name in given and truth_of(given[name]) is not False
    ]
    if precisions:
        idle["tf32"] = f"--{precisions[0]} counts beside it"
    for name in ("eval-strategy", "evaluation-strategy"):
        if given.get(name) in ("epoch", "no"):
            idle["eval-steps"] = f"--{name} {given[name]} counts beside it"
    return idle


def _evaluated_when_logged(given: Mapping[str, str]) -> str | None:
    """What to say where evaluation comes with each log, as in a Trainer that is asked for steps and not told how many.

    Args:
        given: see `_given`.
    """
    name = next((name for name in ("eval-strategy", "evaluation-strategy") if given.get(name) == "steps"), None)
    if name is None or "logging-steps" not in given or {"eval-steps", "config"} & given.keys():
        return None
    return f"--{name} steps: --eval-steps {given['logging-steps']}, as --logging-steps has it"


def _require_same_folder(given: Mapping[str, str]) -> None:
    """Refuse to go on from the checkpoint of another run's folder: a run would begin anew.

    Raises:
        UserError: with what may have been meant.
    """
    place = given.get("resume-from-checkpoint", "")
    output = given.get("output") or given.get("output-dir")
    if not place or truth_of(place) is not None:
        return
    run = Path(place).parent if Path(place).name.startswith("checkpoint") else Path(place)
    run = run.parent if run.name == "checkpoints" else run
    if output is None:
        raise UserError(
            f"--resume-from-checkpoint {place}: a run goes on in its own folder, which --output names",
            f"Write --resume --output {shlex.quote(str(run))}.",
        )
    if not Path(place).resolve().is_relative_to(Path(output).resolve()):
        raise UserError(
            f"--resume-from-checkpoint {place}: it is not in --output {output}; a run goes on in its own folder",
            f"Write --resume --output {shlex.quote(str(run))}; to begin with its weights --model {shlex.quote(place)}",
        )


def _is_off(name: str) -> bool:
    """Whether a name is that of a foreign switch with `no-` before it, as the scripts have it for those that are on."""
    switch = name.removeprefix("no-")
    field = switch.replace("-", "_")
    return name.startswith("no-") and (
        (switch in RENAMED and not RENAMED[switch][1])
        or field in trainer_fields.SWITCHES
        or (field in trainer_fields.SETTLED and field not in trainer_fields.SETTLED_VALUES)
        or trainer_fields.REFUSED.get(field, ("", ""))[1] in TRUE | FALSE
    )


def is_on(name: str, value: str | None) -> bool:
    """What a switch says with this value, or alone.

    Raises:
        UserError: the value is neither true nor false.
    """
    if value is None or value.lower() in TRUE:
        return True
    if value.lower() not in FALSE:
        raise UserError(f"--{name}={value}: it is a switch", "Write True or False behind it, or nothing.")
    return False


HUB = {"push-to-hub", "hub-model-id", "push-to-hub-model-id"}


def _of_hub(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Trainer's options of uploading, whether and where to, as the one that is here: --push-to-hub REPO, true or false.

    Returns the arguments, and the lines to say.

    Raises:
        UserError: they name two repositories, or none.
    """
    out: list[str] = []
    given: dict[str, str] = {}
    read = _Arguments(arguments)
    for argument in read:
        option = _Option.of(argument)
        if option is None or option.name not in HUB:
            out.append(argument)
            continue
        value = read.value(option, _any_value)
        if value is None and option.name != "push-to-hub":
            raise UserError(f"--{option.name} requires a value")
        given[option.name] = "true" if value is None else value
    named = given.keys() - {"push-to-hub"}
    notes = []
    if named and "push-to-hub" not in given:
        name = min(named)
        notes = [f"--{name}: nothing is uploaded without --push-to-hub {given[name]}"]
    return out + _uploading(given) + read.behind, notes


def _uploading(given: dict[str, str]) -> list[str]:
    named = given.get("hub-model-id") or given.get("push-to-hub-model-id")
    push = given.get("push-to-hub")
    wanted = None if push is None else truth_of(push)
    if push is not None and wanted is None and named not in (None, push):
        raise UserError(f"--push-to-hub {push} and --hub-model-id {named} name two repositories", "Give one of them.")
    if wanted is False:
        return ["--push-to-hub", "false"]
    return ["--push-to-hub", str(named or push)] if push is not None else []
