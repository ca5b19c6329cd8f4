"""Options that are read only with others: refused in one place, all at once, and told by the help."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from nlpkit.cli import manual
from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import UserError
from nlpkit.options import Config, FolderOptions, NotWith, OnlyWith, option, option_like
from nlpkit.options.conditions import declared_conditions
from nlpkit.recipes import finetune_cls, prune

CONFIGS = {name: importlib.import_module(entry.module).Config for name, entry in COMMANDS.items()}


class Cake(Config):
    """Options with each kind of condition."""

    kind: str = option("plain", "")
    icing: bool = option(False, "")
    colour: str | None = option(None, "", only_with="icing")
    layers: int = option(1, "", ge=1, only_with=({"kind": ("sponge", "torte")}, NotWith(("icing",), why=": no room")))
    baked: bool = option(True, "", only_with=OnlyWith(("kind",), ("torte",), why=": {kind} is raw", hint="Bake."))


@pytest.mark.parametrize("command", CONFIGS)
def test_each_condition_is_about_an_option_of_the_command(command: str) -> None:
    fields = CONFIGS[command].model_fields
    named = {other for info in fields.values() for each in declared_conditions(info) for other in each.others}
    assert named <= fields.keys()


def test_all_options_that_nothing_would_read_are_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        Cake(colour="red", layers=2, baked=False).refuse_unread()
    assert error.value.message.splitlines() == [
        "3 options are wrong:",
        "  - --colour is for --icing (Leave it out)",
        "  - --layers is for --kind sponge, torte, not for plain (Leave it out)",
        "  - --no-baked: plain is raw (Bake)",
    ]
    with pytest.raises(UserError, match="--layers: no room"):
        Cake(kind="torte", layers=2, icing=True).refuse_unread()


def test_an_option_with_its_condition_or_with_its_default_passes() -> None:
    Cake(icing=True, colour="red", kind="torte", baked=False).refuse_unread()
    Cake(colour=None, layers=1, baked=True).refuse_unread()


def test_prune_tells_all_that_weights_do_not_read() -> None:
    options = prune.Config(model="m", sparsity=0.5, per_layer=True, calibration_rows=9, alpha=0.9)
    with pytest.raises(UserError, match=r"(?s)--per-layer .*--calibration-rows .*--alpha is for --distill"):
        prune.settled(options)


def test_fine_tuning_refuses_them_before_data_are_read(tmp_path: Path) -> None:
    options = finetune_cls.Config(data=str(tmp_path / "gone.csv"), output=tmp_path / "run", public=True)
    with pytest.raises(UserError, match=r"^--public is for --push-to-hub"):
        finetune_cls.run(options)
    options.changed(push_to_hub="me/x").refuse_unread()


def test_help_tells_the_condition() -> None:
    said = " ".join(manual.whole("prune", prune, prune.Config).split())
    assert "Softens the logits (Hinton et al. 2015). [only with --distill] [default: 2.0]" in said
    assert "[only with --what weights] [only with --epochs] [default: 1]" in said


def test_a_declaration_like_another_keeps_what_it_does_not_change() -> None:
    class Table(Config):
        legs: int = option(4, "Number of legs.", panel="Shape", metavar="N", shown_default="four", ge=3, le=8)

    class Stool(Config):
        legs: int = option_like(Table, "legs", 1, ge=1, le=None)
        top: int = option_like(Table, "legs", help="Corners.")
        output: object = option_like(FolderOptions, "output", shown_default="here")

    assert Stool(legs=100).legs == 100
    with pytest.raises(UserError, match="--top 9"):
        Stool(top=9)
    legs, top, output = (Stool.model_fields[name] for name in ("legs", "top", "output"))
    assert (legs.description, legs.default, top.description, top.default) == ("Number of legs.", 1, "Corners.", 4)
    extras = [dict(info.json_schema_extra or {}) for info in (legs, top, output)]  # type: ignore[arg-type]
    assert [extra["shown_default"] for extra in extras] == [None, "four", "here"]
    assert [extra["panel"] for extra in extras] == ["Shape", "Shape", "Output"]
