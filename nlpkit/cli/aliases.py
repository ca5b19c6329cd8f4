"""Commands as people know them from the example scripts, translated to nlpkit's options.

Underscores and dashes mean the same. A name that has another spelling here is taken silently; a name that
Transformers 5 renamed or removed, or that asks for what is always done, is translated with one line that says so; one
that has no meaning here is refused with the reason. `docs/coming-from-trainer.md` lists them all.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

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
    "include-tokens-per-second": (_drop, False, "rows and tokens a second are always measured"),
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
    said: list[str] = []
    rest = iter(range(len(arguments)))
    for i in rest:
        name, sign, value = arguments[i].partition("=")
        names = ENVIRONMENT.get(_dashed(name.removeprefix("--"))) if name.startswith("--") else None
        if arguments[i] == "--":
            return out + arguments[i:], variables, said
        if names is None or _dashed(name.removeprefix("--")) in known:
            out.append(arguments[i])
            continue
        following = arguments[i + 1] if i + 1 < len(arguments) else None
        if not sign and following is not None and not following.startswith("--"):
            value = following
            next(rest, None)
        if names == ("HF_TOKEN",) and value.lower() in ("", "none", *TRUE, *FALSE):
            said.append(f"{name}: the token of `hf auth login` or HF_TOKEN is used where one is needed")
            continue
        if not value:
            raise UserError(f"{name} needs a value", f"Write it {name} VALUE.")
        variables |= dict.fromkeys(names, value)
        shown = "HF_TOKEN for this command; others can read a command line" if names == ("HF_TOKEN",) else names[0]
        said.append(f"{name}: {shown}" if names == ("HF_TOKEN",) else f"{name}: {shown}={value} for this command")
    return out, variables, said


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
    out: list[str] = []
    said: list[str] = []
    if "push-to-hub" in known:
        arguments, told = _of_hub(arguments)
        said += told
    given = _given(arguments)
    idle = _idle(given)
    if "resume" in known:
        _require_same_folder(given)
    if line := _evaluated_when_logged(given):
        out += ["--eval-steps", given["logging-steps"]]
        said.append(line)
    rest = iter(range(len(arguments)))

    def value_of(i: int, sign: str, value: str, *, switch: bool) -> str | None:
        """The value of a foreign name, which the next argument may be; None where it has none."""
        if sign:
            return value
        following = arguments[i + 1] if i + 1 < len(arguments) else None
        if following is None or following.startswith("--") or (switch and following.lower() not in TRUE | FALSE):
            return None
        next(rest, None)
        return following

    def append(name: str, sign: str, value: str, i: int) -> None:
        if name in ways:
            following = arguments[i + 1] if i + 1 < len(arguments) else ""
            if not sign and following.lower() in (*ways[name], "true", "false"):
                value = following
                next(rest, None)
            out.append(f"--{name}={value or 'true'}")
            return
        if name.removeprefix("no-") in ways:
            out.append(f"--{name.removeprefix('no-')}=false")
            return
        if name not in switches:
            out.append(f"--{name}{sign}{value}")
            return
        following = arguments[i + 1] if i + 1 < len(arguments) else ""
        # behind a blank only these two: another word may be a text to answer
        if not sign and following.lower() in ("true", "false"):
            value = following
            next(rest, None)
        out.append(f"--{name}" if is_on(name, value or None) else f"--no-{name}")

    for i in rest:
        token = arguments[i]
        if token == "--":
            return out + arguments[i:], said
        if not token.startswith("--") or len(token) < 3:
            out.append(token)
            continue
        written, sign, value = token[2:].partition("=")
        name = _dashed(written)
        if name not in known and _is_off(name):
            written, sign, value = written[len("no-") :], "=", "False"
            name = _dashed(written)
        field = written.replace("-", "_")
        if name in idle:
            value_of(i, sign, value, switch=False)
            said.append(f"--{written}: not used; {idle[name]}")
        elif name in known:
            append(name, sign, value, i)
        elif name in RENAMED:
            convert, takes_value, now = RENAMED[name]
            old = value_of(i, sign, value, switch=not takes_value)
            if not takes_value and not is_on(written, old):
                said.append(f"--{written}: {now}" if convert is _drop else f"--{written}: not set; it is {now} here")
                continue
            out += convert(old)
            if line := now if isinstance(now, str) else now(old):
                said.append(f"--{written}: {line}")
        elif name in SAME:
            target, _, fixed = SAME[name].partition("=")
            target = next((each for each in target.split("|") if each in known), target.split("|")[0])
            if target not in known:
                said.append(f"--{written}: --{target} of other commands")
            if target == "trainer":
                out += ["--trainer", f"{fixed}={value_of(i, sign, value, switch=False) or ''}"]
            elif fixed:
                if is_on(written, value_of(i, sign, value, switch=True)):
                    out += [f"--{target}", fixed]
            else:
                append(target, sign, value, i)
        elif field in trainer_fields.PASSED and "trainer" in known:
            switch = field in trainer_fields.SWITCHES
            text = value_of(i, sign, value, switch=switch)
            if text is None and not switch:
                raise UserError(f"--{written} needs a value", f"Write it --trainer {field}=VALUE.")
            out += ["--trainer", f"{field}={str(is_on(written, text)).lower() if switch else text}"]
        elif field in trainer_fields.SETTLED:
            text = value_of(i, sign, value, switch=field not in trainer_fields.SETTLED_VALUES)
            if field in trainer_fields.NEVER_OFF and text is not None and not is_on(written, text):
                raise UserError(f"--{written} {text}: {trainer_fields.SETTLED[field]}", trainer_fields.NEVER_OFF[field])
            said.append(f"--{written}: {trainer_fields.SETTLED[field]}")
        elif field in trainer_fields.REFUSED:
            why, harmless = trainer_fields.REFUSED[field]
            text = value_of(i, sign, value, switch=harmless in TRUE | FALSE)
            if harmless in TRUE | FALSE:
                text = str(is_on(written, text)).lower()
            if text != harmless and (harmless or text is None or not _is_nothing(text)):
                raise UserError(f"--{written}: {why}", "Leave it out.")
        else:
            append(name, sign, value, i)
    return out, said


def _given(arguments: list[str]) -> dict[str, str]:
    """The values behind the names on a command line, the last where there are several."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found: dict[str, str] = {}
    for token, following in itertools.zip_longest(arguments[:end], arguments[1:end], fillvalue=""):
        name, sign, value = token.removeprefix("--").partition("=")
        if token.startswith("--"):
            found[_dashed(name)] = value if sign else "" if following.startswith("--") else following
    return found


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
    asked = [name for name in ("bf16", "fp16", "precision") if name in given and truth_of(given[name]) is not False]
    if asked:
        idle["tf32"] = f"--{asked[0]} counts beside it"
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
    end = arguments.index("--") if "--" in arguments else len(arguments)
    out: list[str] = []
    given: dict[str, str] = {}
    rest = iter(range(end))
    for i in rest:
        name, sign, value = arguments[i].removeprefix("--").partition("=")
        name = _dashed(name)
        if not arguments[i].startswith("--") or name not in HUB:
            out.append(arguments[i])
            continue
        following = arguments[i + 1] if i + 1 < end else None
        if sign:
            given[name] = value
        elif following is not None and not following.startswith("--"):
            given[name] = following
            next(rest)
        elif name == "push-to-hub":
            given[name] = "true"
        else:
            raise UserError(f"--{name} requires a value")
    named = given.keys() - {"push-to-hub"}
    said = []
    if named and "push-to-hub" not in given:
        name = min(named)
        said = [f"--{name}: nothing is uploaded without --push-to-hub {given[name]}"]
    return out + _uploading(given) + arguments[end:], said


def _uploading(given: dict[str, str]) -> list[str]:
    named = given.get("hub-model-id") or given.get("push-to-hub-model-id")
    push = given.get("push-to-hub")
    wanted = None if push is None else truth_of(push)
    if push is not None and wanted is None and named not in (None, push):
        raise UserError(f"--push-to-hub {push} and --hub-model-id {named} name two repositories", "Give one of them.")
    if wanted is False:
        return ["--push-to-hub", "false"]
    return ["--push-to-hub", str(named or push)] if push is not None else []
