"""A config: what it says of wrong options, and which of its values count as given."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlpkit.errors import UserError
from nlpkit.options import TrainingOptions
from nlpkit.recipes import evaluate, finetune_cls


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: -1\nlerning-rate: 2\nweight_decay: much\n")
    with pytest.raises(UserError) as error:
        finetune_cls.Config.from_sources({"batch_size": "0", "weight_decay": "lots"}, recipe)
    assert str(error.value.message).splitlines() == [
        "4 options are wrong:",
        f"  - {recipe}: --epochs -1: input should be greater than 0",
        "  - --batch-size '0': input should be greater than or equal to 1",
        "  - --weight-decay 'lots': this is not a number",
        f"  - {recipe}: unknown option 'lerning_rate' (Did you mean 'learning_rate'?)",
    ]


def test_a_single_slip_stands_alone_with_its_hint() -> None:
    with pytest.raises(UserError) as error:
        finetune_cls.Config(validation_share=20)
    assert error.value.message == "--validation-share 20: input should be less than 1"
    assert error.value.hint == "It is a share: 0.2 stands for 20 %."


def test_a_missing_option_and_an_empty_place_are_told_together() -> None:
    with pytest.raises(UserError, match=r"--tokenizer is empty[\s\S]*MODEL is required"):
        evaluate.Config(tokenizer="")


def test_a_value_that_was_assigned_survives_a_change_and_counts_as_given() -> None:
    options = TrainingOptions(seed=7)
    options.epochs = 2
    changed = options.changed(batch_size=8)
    assert (changed.seed, changed.epochs, changed.batch_size) == (7, 2, 8)
    assert changed.given == {"seed", "epochs", "batch_size"}
    assert changed.on_top_of({"epochs": 9, "warmup": 0}).epochs == 2
