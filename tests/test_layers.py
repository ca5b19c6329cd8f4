"""The floors of the codebase: who may import whom, read from the sources; and the picture of them in CONTRIBUTING.md.

Imports inside functions and for types count too: whoever needs them knows of the other module.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import nlpkit
from nlpkit.cli.registry import COMMANDS

PACKAGE = Path(nlpkit.__file__).parent
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"

# From the ground up. A room may import from its own floor and those below it. The modules at the top of the package
# are rooms of one module.
FLOORS: dict[str, tuple[str, ...]] = {
    "interfaces": ("__main__", "cli", "sklearn", "api"),
    "commands": ("recipes",),
    "services": ("serving",),
    "uses of vectors": ("searching",),
    "operations": (
        "augmentation",
        "clustering",
        "compression",
        "distillation",
        "embedding",
        "explaining",
        "fewshot",
        "learn",
        "probing",
        "pruning",
        "sharding",
        "topic_models",
        "tuning",
    ),
    "figures": ("loadtesting", "measurement", "overview"),
    "runs of a Trainer": ("baselines", "experiment"),
    "pre-training": ("pretraining",),
    "training": ("training",),
    "answering": ("inference",),
    "tasks": ("tasks",),
    "models": ("generation", "quantization", "tokenization", "models"),
    "machine": ("hardware",),
    "data": ("metrics", "data", "vectors", "word_vectors"),
    "options": ("options",),
    "run folders": ("limits", "runs", "trials"),
    "ground": (
        "trainer_fields",
        "annotations",
        "process",
        "machine",
        "reporting",
        "markdown",
        "page",
        "fragments",
        "nearby",
        "interrupts",
        "errors",
    ),
}
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS.values()) for room in rooms}


class Arrow(NamedTuple):
    """One import: `target` is named in `line` of the file of `source`."""

    source: str
    target: str
    file: Path
    line: int


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Each module of the package with its file, by dotted name below the package."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def arrows(package: Path = PACKAGE) -> Iterator[Arrow]:
    """Every import of a module of the package by another one; the package itself, which tells the version, is left
    out."""
    known = modules(package)
    for source, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != package.name:
                continue
            parent = str(node.module).partition(".")[2]
            for alias in node.names:
                inside = f"{parent}.{alias.name}".lstrip(".")
                target = inside if inside in known else parent
                if target and target != source:
                    yield Arrow(source, target, file, node.lineno)


def room(module: str) -> str:
    return module.partition(".")[0]


def climbing(found: Iterator[Arrow]) -> list[str]:
    """Arrows that lead to a floor above, as file, line and what is imported."""
    return [
        f"{arrow.file}:{arrow.line}: {room(arrow.source)} imports {arrow.target}, which is above it"
        for arrow in found
        if arrow.source and HEIGHT[room(arrow.target)] > HEIGHT[room(arrow.source)]
    ]


def circles(found: Iterator[Arrow]) -> list[str]:
    """Modules that import one another in a ring, with the imports that close it."""
    targets: dict[str, dict[str, Arrow]] = {}
    for arrow in found:
        targets.setdefault(arrow.source, {}).setdefault(arrow.target, arrow)
    left = dict(targets)
    while leaves := [name for name, to in left.items() if not any(target in left for target in to)]:
        for name in leaves:
            del left[name]
    return [ring(left)] if left else []


def ring(targets: Mapping[str, Mapping[str, Arrow]]) -> str:
    """One ring among modules each of which imports another of them."""
    path = [next(iter(targets))]
    while path.count(path[-1]) == 1:
        path.append(next(target for target in targets[path[-1]] if target in targets))
    path = path[path.index(path[-1]) :]
    steps = [targets[source][target] for source, target in itertools.pairwise(path)]
    return " -> ".join(path) + "".join(f"\n{step.file}:{step.line}: imports {step.target}" for step in steps)


def test_every_module_has_a_floor() -> None:
    rooms = {room(module) for module in modules() if module}
    assert rooms == set(HEIGHT)


def test_no_import_climbs() -> None:
    assert not (found := climbing(arrows())), "\n".join(found)


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert not (found := circles(arrows())), "\n".join(found)


def test_recipes_are_the_subcommands_and_nothing_else() -> None:
    found = {f"nlpkit.{module}" for module in modules() if module.startswith("recipes.")}
    assert found == {entry.module for entry in COMMANDS.values()}


@pytest.mark.parametrize(
    ("files", "climbs", "circle"),
    [
        ({"data/a.py": "from nlpkit.tasks import b\n", "tasks/b.py": ""}, "a.py:1: data imports tasks.b", ""),
        ({"data/a.py": "def f():\n    from nlpkit.tasks.b import c\n", "tasks/b.py": ""}, "a.py:2: data imports", ""),
        ({"tasks/b.py": "from nlpkit.data import a\n", "data/a.py": ""}, "", ""),
        (
            {"data/a.py": "from nlpkit.data.b import f\n", "data/b.py": "from nlpkit.data import a\n"},
            "",
            "data.a -> data.b -> data.a",
        ),
    ],
)
def test_what_is_found(files: dict[str, str], climbs: str, circle: str, tmp_path: Path) -> None:
    package = tmp_path / "nlpkit"
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    for found, expected in ((climbing(arrows(package)), climbs), (circles(arrows(package)), circle)):
        assert [expected in line for line in found] == ([True] if expected else [])


def picture() -> str:
    """The floors as CONTRIBUTING.md shows them."""
    width = max(map(len, FLOORS))
    return "\n".join(f"{floor:<{width}} | {'  '.join(sorted(rooms))}" for floor, rooms in FLOORS.items())


def test_the_picture_in_contributing_is_that_of_the_table() -> None:
    assert f"```text\n{picture()}\n```" in CONTRIBUTING.read_text(encoding="utf-8"), picture()
