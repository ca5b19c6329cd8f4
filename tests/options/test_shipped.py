"""`--config NAME` finds the recipes that ship, from a checkout and from an installed package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nlpkit
from nlpkit.errors import UserError
from nlpkit.options import shipped
from nlpkit.recipes import finetune_cls

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_name_is_a_recipe_where_there_is_no_file_of_that_name(elsewhere: Path) -> None:
    assert finetune_cls.Config.from_sources({}, Path("sst2"), "finetune-cls").data == "glue:sst2"
    (elsewhere / "sst2").write_text("data: mine.csv\n")
    assert finetune_cls.Config.from_sources({}, Path("sst2"), "finetune-cls").data == "mine.csv"


def test_a_folder_of_that_name_is_not_taken_for_the_recipe_nor_the_recipe_for_the_folder(elsewhere: Path) -> None:
    (elsewhere / "sst2").mkdir()
    (elsewhere / "sst2" / "nlpkit.json").write_text("{}")
    with pytest.raises(UserError, match="the config file sst2 is a folder") as raised:
        finetune_cls.Config.from_sources({}, Path("sst2"), "finetune-cls")
    assert raised.value.hint == "Did you mean sst2/nlpkit.json? The recipe of that name: --config sst2.yaml."
    assert finetune_cls.Config.from_sources({}, Path("sst2.yaml"), "finetune-cls").data == "glue:sst2"


def test_an_installed_package_has_them_beside_its_modules(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = elsewhere / "site-packages" / "nlpkit"
    (package / shipped.INSTALLED).mkdir(parents=True)
    shutil.copy(RECIPES / "trec.yaml", package / shipped.INSTALLED)
    monkeypatch.setattr(nlpkit, "__file__", str(package / "__init__.py"))
    assert shipped.names() == ["trec"]
    assert finetune_cls.Config.from_sources({}, Path("trec"), "finetune-cls").data == "CogComp/trec"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("recipes/sst2.yaml", "The recipe of that name ships with nlpkit: --config sst2."),
        ("ss2", "Did you mean --config sst2? `nlpkit recipes` lists those that ship."),
        ("../trec", "The recipe of that name ships with nlpkit: --config trec."),
        ("reviews-of-2026.yaml", None),
    ],
)
def test_a_file_that_is_not_there_is_refused_and_the_recipe_that_was_meant_is_named(
    given: str, hint: str | None
) -> None:
    with pytest.raises(UserError, match="there is no config file") as raised:
        finetune_cls.Config.from_sources({}, Path(given), "finetune-cls")
    assert raised.value.hint == hint


def test_a_recipe_of_another_command_is_refused() -> None:
    with pytest.raises(UserError, match="sst2 is for `nlpkit finetune-cls`, not for `nlpkit distill`"):
        finetune_cls.Config.from_sources({}, Path("sst2"), "distill")
