"""Options that are read from a file: a YAML recipe, or the record of an earlier run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.options import shipped
from nlpkit.options.names import flag_of
from nlpkit.options.problems import OptionError

# Options that were renamed: a recipe or a script that was written before still runs.
OLD_NAMES = {"input_format": "format"}


# Fields that say where and how to speak, not what to compute: a record of a run does not repeat them.
NOT_REPEATED = frozenset({"output", "overwrite", "resume", "dry_run", "push_to_hub"})


# Fields that let code run, send something away, or load a machine of others: a record may be somebody else's, so they
# are given by hand each time.
PERMISSIONS = frozenset(
    {"trust_remote_code", "allow_pickle", "push_to_hub", "public", "report_to", "i_own_this_host", "storage", "ray"}
)


HARMLESS = ("none", "tensorboard")  # values of --report-to that stay here


# TrainingArguments that say how a model is trained and nothing else, which a record may repeat. Others reach for the
# network, for files with settings of a library, for kernels and compilers: they are given by hand, too.
ARITHMETIC = re.compile(
    "(adam|dataloader|ddp|eval|gradient|log|logging|lr_scheduler|save)_[a-z0-9_]+|optim|optim_args|neftune_noise_alpha"
    "|average_tokens_across_devices|batch_eval_metrics|(bf16|fp16)_full_eval|data_seed|disable_tqdm|ignore_data_skip"
    "|include_for_metrics|include_num_input_tokens_seen|label_smoothing_factor|prediction_loss_only|tf32|use_cache"
    "|skip_memory_metrics|torch_empty_cache_steps"
)


def with_new_names(values: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """The same values, with old names of options replaced where these fields have the new one; see `OLD_NAMES`."""
    new = {old: name for old, name in OLD_NAMES.items() if old not in fields and name in fields}
    return {new.get(key, key): value for key, value in values.items()}


@contextlib.contextmanager
def naming(path: Path, fields: Collection[str]) -> Iterator[None]:
    """Say of an option that is refused in the block, and was read from a file, which file that is.

    Args:
        fields: names of the options that stand in the file.

    Raises:
        UserError: as it was raised, with the file before it.
    """
    try:
        yield
    except OptionError as error:
        raise OptionError(
            [
                problem._replace(message=f"{path}: {problem.message}") if problem.field in fields else problem
                for problem in error.problems
            ]
        ) from None


def without_permissions(values: Mapping[str, Any], record: Path) -> dict[str, Any]:
    """The options of a record that may be repeated: neither `PERMISSIONS` nor where to write, nor what of --trainer is
    more than `ARITHMETIC`. What of these a record has set is said.

    Args:
        values: by name.
        record: where they stand, for the message.
    """
    kept = {name: value for name, value in values.items() if name not in PERMISSIONS | NOT_REPEATED}
    given = [flag_of(name) for name in sorted((PERMISSIONS | NOT_REPEATED) & values.keys()) if values[name]]
    if values.get("report_to") in HARMLESS:
        kept["report_to"] = values["report_to"]
        given.remove("--report-to")
    if isinstance(trainer := values.get("trainer"), list | tuple):
        trainer = dict(str(entry).partition("=")[::2] for entry in trainer)
    if isinstance(trainer, dict):
        foreign = sorted(str(key) for key in trainer if not ARITHMETIC.fullmatch(str(key).strip().replace("-", "_")))
        given += [f"--trainer {key if key.isidentifier() else repr(key)}" for key in foreign]
        kept["trainer"] = {key: value for key, value in trainer.items() if str(key) not in foreign}
    if isinstance(passed_on := values.get("options"), dict):  # to another command (`tune`)
        kept["options"] = without_permissions(passed_on, record)
    if given:
        reporting.current().warn(f"{record}: not taken from a record, give anew what is meant: {', '.join(given)}")
    return kept


def read_config_file(path: Path, command: str | None, fields: Collection[str]) -> dict[str, Any]:
    """Read a YAML recipe or the `nlpkit.json` of an earlier run; keys may be written with dashes.

    Args:
        command: that is to run, None where any may have written the file.
        fields: names of its options; others are left for its `Config` to refuse.

    Raises:
        UserError: it cannot be read, or is of another command.
    """
    from nlpkit.runs import records

    document = _document(path)
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected `option: value` lines, found {type(document).__name__}")
    # whoever names a run's record takes it for one: without a version, too, it gives no permissions
    if path.name == records.RECORD or ("schema_version" in document and isinstance(document.get("config"), dict)):
        document = records.opened(document, path)
        if "config" not in document:
            raise UserError(f"{path} does not tell the options of its run", "Name a recipe (YAML), or another record.")
        values = without_permissions(document["config"], path)
    else:
        values = {key: value for key, value in document.items() if key != "command"}
    recorded = document.get("command")
    if recorded and command and recorded != command:
        raise UserError(f"{path} is for `nlpkit {recorded}`, not for `nlpkit {command}`")
    return with_new_names({str(key).replace("-", "_"): value for key, value in values.items()}, fields)


def _document(path: Path) -> Any:
    """What a YAML or JSON file holds; the recipe of a name that ships, where there is no file of that name.

    Raises:
        UserError: it cannot be read, or gives a key twice.
    """
    import yaml

    from nlpkit.runs.files import small_text

    class Loader(yaml.SafeLoader):
        """Of two equal keys the last would count, and nobody told."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in keys and key.value != "<<":
                    raise yaml.MarkedYAMLError(problem=f"'{key.value}' is given twice", problem_mark=key.start_mark)
                keys |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(small_text(path), Loader)
    except FileNotFoundError:
        if recipe := shipped.path_of(str(path)):
            return _document(recipe)
        raise UserError(f"there is no config file {path}", shipped.hint(path)) from None
    except IsADirectoryError:
        record = path / "nlpkit.json"
        hint = f"Did you mean {record}?" if record.is_file() else "Name the YAML file in it."
        if recipe := shipped.path_of(str(path)):
            hint += f" The recipe of that name: --config {recipe.name}."
        raise UserError(f"the config file {path} is a folder", hint) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"cannot read the config file {path}: {reason}", "Name a YAML file.") from None
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: it is nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', error)}") from None
    except ValueError as error:  # of what looks like a date or a number, and is none
        raise UserError(f"{path}: not valid YAML: {error}", "Quote what is no date and no number.") from None
    except (AttributeError, LookupError, TypeError):  # PyYAML's, of `!!bool x`
        raise UserError(f"{path}: not valid YAML: a value is not what its tag (!!) says") from None
