"""Options, declared once.

A recipe's `Config` is the only place where an option's name, type, default, bounds and help stand: the flags, the
YAML keys, `--help`, validation, the Python API and the JSON record are all read from it. The groups here are shared by
several recipes, so that the same thing has the same flag everywhere.
"""

from nlpkit.options.card import CardOptions
from nlpkit.options.conditions import NotWith, OnlyWith
from nlpkit.options.data import (
    ColumnOptions,
    CorpusOptions,
    DataOptions,
    EvaluatedRowsOptions,
    ReadingOptions,
    SourceOptions,
    TextColumnOptions,
)
from nlpkit.options.declaring import Config, option, option_like
from nlpkit.options.device import DeviceOptions
from nlpkit.options.files import OLD_NAMES, naming, read_config_file, without_permissions
from nlpkit.options.model import DEFAULT_MODEL, GivenModelOptions, ModelOptions, OpeningOptions
from nlpkit.options.names import choices, flag_of, shown_name, suggest, taking
from nlpkit.options.output import FolderOptions, OutputOptions, RunOptions, TrackerOptions, UploadOptions
from nlpkit.options.training import (
    BatchOptions,
    CalibrationOptions,
    ComputeOptions,
    EvaluationOptions,
    JudgedSplitsOptions,
    OptimizerChoiceOptions,
    OptimizerOptions,
    SeedOptions,
    SeedsOptions,
    SettledOptions,
    StepOptions,
    StoppingOptions,
    TrainingOptions,
    require_one_optimizer,
)
from nlpkit.options.values import (
    FALSE,
    MOST_ROWS,
    MOST_THREADS,
    TRUE,
    Apart,
    AtCommas,
    Interval,
    Names,
    Pairs,
    Strings,
    as_number,
    truth_of,
)

__all__ = [
    "DEFAULT_MODEL",
    "FALSE",
    "MOST_ROWS",
    "MOST_THREADS",
    "OLD_NAMES",
    "TRUE",
    "Apart",
    "AtCommas",
    "BatchOptions",
    "CalibrationOptions",
    "CardOptions",
    "ColumnOptions",
    "ComputeOptions",
    "Config",
    "CorpusOptions",
    "DataOptions",
    "DeviceOptions",
    "EvaluatedRowsOptions",
    "EvaluationOptions",
    "FolderOptions",
    "GivenModelOptions",
    "Interval",
    "JudgedSplitsOptions",
    "ModelOptions",
    "Names",
    "NotWith",
    "OnlyWith",
    "OpeningOptions",
    "OptimizerChoiceOptions",
    "OptimizerOptions",
    "OutputOptions",
    "Pairs",
    "ReadingOptions",
    "RunOptions",
    "SeedOptions",
    "SeedsOptions",
    "SettledOptions",
    "SourceOptions",
    "StepOptions",
    "StoppingOptions",
    "Strings",
    "TextColumnOptions",
    "TrackerOptions",
    "TrainingOptions",
    "UploadOptions",
    "as_number",
    "choices",
    "flag_of",
    "naming",
    "option",
    "option_like",
    "read_config_file",
    "require_one_optimizer",
    "shown_name",
    "suggest",
    "taking",
    "truth_of",
    "without_permissions",
]
