"""Commands as people know them from the example scripts, translated to nlpkit's options.

Underscores and dashes mean the same. A name that has another spelling here is taken silently; a name that
Transformers 5 renamed or removed is translated with one line that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from nlpkit.errors import UserError
from nlpkit.options import OLD_NAMES

# old name -> option here, same meaning; of several, divided by |, the first that the command has
SAME: dict[str, str] = {
    "model-name-or-path": "model",
    "model-name": "model",
    "tokenizer-name": "tokenizer",
    "output-dir": "output",
    "num-train-epochs": "epochs",
    "num-epochs": "epochs",
    "per-device-train-batch-size": "batch-size",
    "train-batch-size": "batch-size",
    "per-device-eval-batch-size": "eval-batch-size",
    "max-seq-length": "max-length",
    "max-seq-len": "max-length",
    "dataset-name": "data",
    "dataset-config-name": "data-config",
    "dataset-revision": "data-revision",
    "lr": "learning-rate",
    "lr-scheduler-type": "schedule",
    "warmup-steps": "warmup",
    "metric-for-best-model": "best-metric",
    "early-stopping-patience": "early-stopping",
    "text-column-name": "text-column",
    "text-column-names": "text-column",
    "label-column-name": "label-column|tag-column",
    "train-split-name": "train-split",
    "validation-split-name": "validation-split",
    "test-split-name": "test-split",
    "activation-checkpointing": "gradient-checkpointing",
    "torch-compile": "compile",
    "push-to-hub-model-id": "push-to-hub",
    "hub-model-id": "push-to-hub",
    "dataloader-num-workers": "trainer=dataloader_num_workers",
    "adam-beta1": "trainer=adam_beta1",
    "adam-beta2": "trainer=adam_beta2",
    "adam-epsilon": "trainer=adam_epsilon",
    "optim": "trainer=optim",
    "label-smoothing-factor": "label-smoothing",
    "model-revision": "model-revision",
    "block-size": "max-length",
    "train-file": "data",
    "model-type": "arch",
    "whole-word-mask": "whole-word-masking",
    "use-cpu": "device=cpu",
    **{old.replace("_", "-"): name.replace("_", "-") for old, name in OLD_NAMES.items()},
}

# old name -> (what to do with its value, what to say)
Translation = Callable[[str | None], list[str]]


def _drop(_: str | None) -> list[str]:
    return []


def _eval_strategy(value: str | None) -> list[str]:
    if value not in ("epoch", "steps", "no", None):
        raise UserError(f"--eval-strategy '{value}': nlpkit evaluates each epoch, or each --eval-steps N steps")
    return []


def _percentage(value: str | None) -> list[str]:
    try:
        return ["--validation-share", f"{float(value or '') / 100:g}"]
    except ValueError:
        raise UserError(f"--validation-split-percentage '{value}': not a number") from None


def _task_name(value: str | None) -> list[str]:
    return ["--column", value] if value in ("ner", "pos", "chunk") else ["--data", f"glue:{value}"]


RENAMED: dict[str, tuple[Translation, bool, str]] = {
    # name: (translation, takes a value, what to say)
    "evaluation-strategy": (_eval_strategy, True, "nlpkit evaluates each epoch, or each --eval-steps N"),
    "eval-strategy": (_eval_strategy, True, "nlpkit evaluates each epoch, or each --eval-steps N"),
    "save-strategy": (_drop, True, "a checkpoint is saved with each evaluation"),
    "save-steps": (_drop, True, "a checkpoint is saved with each evaluation; see --eval-steps, --checkpoint-minutes"),
    "save-total-limit": (_drop, True, "only the best and the last checkpoint are kept"),
    "load-best-model-at-end": (_drop, False, "the best model is always the one saved"),
    "overwrite-output-dir": (lambda _: ["--overwrite"], False, "--overwrite"),
    "warmup-ratio": (lambda v: ["--warmup", v or ""], True, "--warmup takes a share below 1"),
    "group-by-length": (_drop, False, "rows of like length are batched by default (--batching)"),
    "pad-to-max-length": (_drop, False, "batches are padded to their longest row only"),
    "do-train": (_drop, False, "finetune commands always train"),
    "do-eval": (_drop, False, "every split is evaluated"),
    "do-predict": (_drop, False, "use `nlpkit predict`"),
    "no-cuda": (lambda _: ["--device", "cpu"], False, "--device cpu"),
    "fp16": (lambda _: ["--precision", "fp16"], False, "--precision fp16"),
    "bf16": (lambda _: ["--precision", "bf16"], False, "--precision bf16"),
    "logging-dir": (_drop, True, "tracker files go to the run folder"),
    "use-fast-tokenizer": (_drop, False, "tokenizers are always the fast ones"),
    "resume-from-checkpoint": (lambda _: ["--resume"], True, "--resume with the same --output"),
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
}


def translate(arguments: list[str], known: set[str], switches: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Rewrite foreign option names; returns the new arguments and the lines to say.

    Args:
        arguments: what follows the subcommand on the command line.
        known: the subcommand's own options, without dashes in front.
        switches: those of them without a value; the example scripts write True or False behind theirs.

    Raises:
        UserError: an old option has a value that nlpkit has no counterpart for.
    """
    out: list[str] = []
    said: list[str] = []
    rest = iter(range(len(arguments)))

    def append(name: str, sign: str, value: str, i: int) -> None:
        if name not in switches:
            out.append(f"--{name}{sign}{value}")
            return
        on, used = _truth(sign, value, arguments[i + 1 : i + 2])
        out.append(f"--{name}" if on else f"--no-{name}")
        if used:
            next(rest, None)

    for i in rest:
        token = arguments[i]
        if token == "--":
            return out + arguments[i:], said
        if not token.startswith("--") or len(token) < 3:
            out.append(token)
            continue
        name, sign, value = token[2:].partition("=")
        name = name.replace("_", "-")
        if name not in known and name in SAME:
            target, _, fixed = SAME[name].partition("=")
            target = next((each for each in target.split("|") if each in known), target)
            if target == "trainer" and target in known:
                if not sign:
                    value = arguments[i + 1] if i + 1 < len(arguments) else ""
                    next(rest, None)
                out += ["--trainer", f"{fixed}={value}"]
            elif fixed:
                word, used = _truth(sign, value, arguments[i + 1 : i + 2])
                if used:
                    next(rest, None)
                if word:
                    out += [f"--{target}", fixed]
            else:
                append(target, sign, value, i)
        elif name not in known and name in RENAMED:
            convert, takes_value, now = RENAMED[name]
            old: str | None = value if sign else None
            following = arguments[i + 1] if i + 1 < len(arguments) else None
            # switches of the example scripts may be followed by True or False
            follows = old is None and following is not None and not following.startswith("--")
            if following is not None and follows and (takes_value or following.lower() in ("true", "false")):
                old = following
                next(rest, None)
            if not (old and old.lower() == "false" and not takes_value):
                out += convert(old)
            said.append(f"--{token[2:].partition('=')[0]}: {now}")
        else:
            append(name, sign, value, i)
    return out, said


def _truth(sign: str, value: str, following: list[str]) -> tuple[bool, bool]:
    """What a switch says, alone or with True or False behind it, and whether the following argument was that word."""
    if sign:
        return value.lower() != "false", False
    used = bool(following) and following[0].lower() in ("true", "false")
    return not (used and following[0].lower() == "false"), used
