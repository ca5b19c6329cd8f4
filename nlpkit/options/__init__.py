"""Options, declared once.

A recipe's `Config` is the only place where an option's name, type, default, bounds and help stand: the flags, the
YAML keys, `--help`, validation, the Python API and the JSON record are all read from it. The groups here are shared by
several recipes, so that the same thing has the same flag everywhere.
"""

from nlpkit.options.data import (
    ColumnOptions,
    CorpusOptions,
    DataOptions,
    ReadingOptions,
    SourceOptions,
    TextColumnOptions,
)
from nlpkit.options.declaring import Config, option
from nlpkit.options.device import DeviceOptions
from nlpkit.options.files import OLD_NAMES, naming, read_config_file, without_permissions
from nlpkit.options.model import DEFAULT_MODEL, ModelOptions, OpeningOptions
from nlpkit.options.names import choices, flag_of, shown_name, suggest, taking
from nlpkit.options.output import OutputOptions, RunOptions
from nlpkit.options.training import TrainingOptions
from nlpkit.options.values import (
    FALSE,
    MOST_ROWS,
    MOST_THREADS,
    TRUE,
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
    "AtCommas",
    "ColumnOptions",
    "Config",
    "CorpusOptions",
    "DataOptions",
    "DeviceOptions",
    "Interval",
    "ModelOptions",
    "Names",
    "OpeningOptions",
    "OutputOptions",
    "Pairs",
    "ReadingOptions",
    "RunOptions",
    "SourceOptions",
    "Strings",
    "TextColumnOptions",
    "TrainingOptions",
    "as_number",
    "choices",
    "flag_of",
    "naming",
    "option",
    "read_config_file",
    "shown_name",
    "suggest",
    "taking",
    "truth_of",
    "without_permissions",
]
