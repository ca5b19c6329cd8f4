"""What is searched: ranges and lists among the options of a command, as flags and files give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlpkit.errors import UserError
from nlpkit.recipes import distill, finetune_cls
from nlpkit.tuning.space import Choices, Range, Space, read


def space(file: Path | None = None, **given: Any) -> Space:
    return read(finetune_cls.Config, {"data": "sample:feedback", **given}, file, "finetune-cls")


def written(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def test_ranges_and_lists_are_searched_and_all_else_is_fixed() -> None:
    found = space(
        learning_rate="1e-5..5e-4:log", batch_size="16,32", epochs="2..5:int", warmup="0..0.2:0.1", seeds="1,2"
    )
    assert found.searched == {
        "learning_rate": Range(1e-5, 5e-4, log=True),
        "batch_size": Choices((16, 32)),
        "epochs": Range(2, 5, whole=True),
        "warmup": Range(0, 0.2, step=0.1),
    }
    assert found.fixed == {"data": "sample:feedback", "seeds": [1, 2]}  # it takes several values itself
    assert found.searched["warmup"].values() == [0.0, 0.1, 0.2]
    assert found.searched["epochs"].values() == [2, 3, 4, 5]
    assert found.cells() is None
    # the default warm-up of 0.06 is none of the three; those of the others hang on model and rows
    assert found.default_values() == {}
    assert space(warmup="0.06,0.1", epochs="2,3").default_values() == {"warmup": 0.06}


def test_a_file_searches_any_option_that_takes_one_value(tmp_path: Path) -> None:
    found = space(written(tmp_path, "model: [minilm, other]\nlearning-rate: 1e-5..5e-4\ncalibrate: [true, false]"))
    assert found.searched["model"] == Choices(("minilm", "other"))
    assert found.searched["calibrate"] == Choices((True, False))
    assert found.searched["learning_rate"] == Range(1e-5, 5e-4)


def test_a_grid_is_all_combinations() -> None:
    found = space(batch_size="16,32", epochs="2..4:int")
    assert found.cells() == 6
    assert [*found.grid()][:4] == [
        {"batch_size": 16, "epochs": 2},
        {"batch_size": 16, "epochs": 3},
        {"batch_size": 16, "epochs": 4},
        {"batch_size": 32, "epochs": 2},
    ]
    with pytest.raises(UserError, match=r"--learning-rate 1e-05..0.0005 has no end of values"):
        list(space(learning_rate="1e-5..5e-4").grid())


def test_options_of_a_command_that_names_its_model_without_a_flag(tmp_path: Path) -> None:
    layers = written(tmp_path, "student_layers: [2, 3]")
    found = read(distill.Config, {"teacher": "runs/x", "alpha": "0.2,0.5"}, layers, "distill")
    assert found.searched == {"alpha": Choices((0.2, 0.5)), "student_layers": Choices(("2", "3"))}
    assert found.fixed == {"teacher": "runs/x"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"learning_rat": "1..2"}, "finetune-cls has no option --learning-rat\nDid you mean 'learning_rate'?"),
        ({"learning_rate": "0..1e-3"}, "--learning-rate 0.0: "),
        ({"layer_decay": "0.5..1.5"}, "--layer-decay 1.5: "),
        ({"learning_rate": "1e-3..1e-5"}, "the low end must be below the high end"),
        ({"learning_rate": "1e-5..1e-3:lg"}, "':lg' is neither log nor int nor a step"),
        ({"weight_decay": "0..1:log"}, "logarithms begin above 0"),
        ({"batch_size": "8.5..16"}, "only whole numbers are drawn"),
        ({"warmup": "0..0.25:0.1"}, "steps of 0.1 do not lead from 0 to 0.25"),
        ({"schedule": "linear,cosin"}, "--schedule 'cosin'"),
        ({"batch_size": "16,16"}, "a value is listed twice"),
        ({"seed": "1,2"}, "the best of several seeds is luck"),
        ({"output": "x"}, "--output is not for the runs of a search"),
        ({"push_to_hub": "me/x"}, "each run would be uploaded"),
        ({"epochs": "2"}, "nothing is searched"),
    ],
)
def test_what_is_wrong_with_a_space_is_one_message(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        space(**given)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seeds: [1, 2]", "--seeds takes a list itself"),
        ("epochs: 3", "--epochs 3 is one value, and nothing to search"),
        ("epochs: [3]", "one value is nothing to search"),
        ("learning_rat: [1, 2]", "has no option --learning-rat"),
        ("batch_size: [16, 32]", "--batch-size is given beside it, too"),
        ("- 1", "expected `option: value` lines"),
    ],
)
def test_what_is_wrong_with_a_file_names_the_file(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as error:
        space(path, batch_size=8)
    assert told in str(error.value)
    assert str(path) in str(error.value)
