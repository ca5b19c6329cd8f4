"""Messages for the command line, in the words of a caller from Python."""

from __future__ import annotations

import pytest

from nlpkit.api.wording import in_python
from nlpkit.cli.registry import COMMANDS
from nlpkit.recipes import finetune_cls, predict


@pytest.mark.parametrize(
    ("text", "worded"),
    [
        ("--learning-rate -1: input should be greater than 0", "learning_rate=-1: input should be greater than 0"),
        ("--output runs/x holds a finished run", "output runs/x holds a finished run"),
        ("--overwrite replaces it; or give another --output.", "overwrite=True replaces it; or give another output."),
        ("label 'a' (guessed; --label-column)", "label 'a' (guessed; label_column)"),
        ("Name the data: --data PATH|NAME.", "Name the data: data=PATH|NAME."),
        ("--no-resume and --device 'gpu'", "resume=False and device='gpu'"),
        ("`nlpkit check-data` lists everything.", "`nlpkit.check_data(...)` lists everything."),
        # what is to be typed in a shell stays as it is
        ("Go on with: nlpkit finetune-cls --output runs/x --resume", None),
        ("pip install --upgrade x; a-b--c", None),
    ],
)
def test_flags_are_keywords(text: str, worded: str | None) -> None:
    assert in_python(text, finetune_cls.Config.known_fields(), COMMANDS) == (worded or text)


def test_what_has_no_flag_is_called_by_its_name() -> None:
    assert in_python("MODEL is required", predict.Config.known_fields(), COMMANDS) == "model is required"
