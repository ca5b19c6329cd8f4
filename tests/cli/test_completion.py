from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlpkit.cli import completion, shells
from nlpkit.cli.app import main
from nlpkit.cli.registry import COMMANDS


def values(*words: str) -> list[str]:
    return [offer.value for offer in completion.offers(words)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place to work in, with runs and files."""
    for run in ("runs/reviews", "runs/big model", "runs/deep/er"):
        (tmp_path / run).mkdir(parents=True)
    for name in ("runs/reviews/nlpkit.json", "runs/big model/config.json"):
        (tmp_path / name).touch()
    for name in ("reviews.csv", "recipe.yaml", ".hidden"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    return place


# --- what is offered ---


def test_commands() -> None:
    assert values("") == list(COMMANDS)
    assert values("finetune-") == ["finetune-cls", "finetune-ner", "finetune-qa", "finetune-embed", "finetune-seq2seq"]
    assert values("help", "quant") == ["quantize"]
    assert values("--inst") == ["--install-completion"]
    assert values("--install-completion", "") == ["bash", "zsh", "fish"]
    assert values("xyzzy", "") == []


def test_options_of_the_command_but_those_that_are_given() -> None:
    assert "--learning-rate" in values("finetune-cls", "--")
    assert "--learning-rate" not in values("finetune-cls", "--learning-rate", "1e-4", "--")
    assert "--fail-under" in values("evaluate", "--fail-under", "f1=1", "--fail")  # may be given again
    assert "--sparsity" not in values("finetune-cls", "--")
    assert values("finetune-cls", "--no-overs") == ["--no-oversample"]
    assert values("finetune-cls", "--overs") == ["--oversample"]
    assert "--help-all" in values("env", "--h")
    assert values("predict", "--", "--mod") == []  # no option behind --


def test_choices_of_an_option() -> None:
    assert values("finetune-cls", "--schedule", "lin") == ["linear"]
    assert values("finetune-cls", "--schedule=lin") == ["--schedule=linear"]
    assert values("prune", "run", "--what", "ffn,l") == ["ffn,layers"]
    assert values("check-data", "--task", "token") == ["token-classification"]
    assert values("finetune-cls", "--epochs", "") == []


def test_runs_where_a_model_is_meant(folder: Path) -> None:
    assert values("predict", "r") == ["runs/big model", "runs/reviews"]
    assert values("finetune-cls", "--model", "runs/re") == ["runs/reviews"]
    assert values("finetune-cls", "--model", "mini") == ["minilm"]
    assert values("predict", "runs/de") == ["runs/deep/"]
    assert values("predict", "runs/reviews", "r") == []  # a text
    assert values("benchmark", "runs/reviews", "runs/b") == ["runs/big model"]  # another model


def test_files_where_files_are_meant(folder: Path) -> None:
    assert values("predict", "m", "--input", "re") == ["recipe.yaml", "reviews.csv"]
    assert values("finetune-cls", "--config", "reci") == ["recipe.yaml"]
    assert values("finetune-cls", "--config", "glue-s") == ["glue-sst2", "glue-stsb"]
    assert values("finetune-cls", "--output", "") == ["runs/"]
    assert values("finetune-cls", "--data", "re") == ["recipe.yaml", "reviews.csv"]
    assert values("finetune-cls", "--data", "sam") == ["sample:feedback", "sample:formal"]


def test_a_folder_at_home(home: Path) -> None:
    (home / "mine").mkdir()
    assert values("predict", "m", "--input", "~/m") == ["~/mine/"]


def test_neither_torch_nor_what_a_run_needs_is_imported() -> None:
    code = (
        "import sys; from nlpkit.cli import completion\n"
        f"for command in {list(COMMANDS)!r}:\n"
        "    assert completion.offers([command, '--'])\n"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'matplotlib', 'typer', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- real shells ---


@pytest.fixture
def program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`nlpkit` on the path."""
    place = folder / "bin"
    place.mkdir()
    file = place / "nlpkit"
    root = Path(completion.__file__).parents[2]
    file.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m nlpkit "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(place), prepend=":")
    yield file


def in_bash(line: str) -> list[str]:
    """COMPREPLY behind a line, as bash calls the function of the completion."""
    script = (
        f"{shells.BASH}\n"
        f"COMP_LINE=$1; COMP_POINT=${{#COMP_LINE}}; _nlpkit nlpkit; "
        'for one in "${COMPREPLY[@]}"; do printf "%s\\n" "$one"; done'
    )
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", line], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("nlpkit quant", ["quantize"]),
        ("nlpkit finetune-cls --learning", ["--learning-rate"]),
        ("nlpkit finetune-cls --schedule=lin", ["linear"]),  # bash has the word begin behind "="
        ("nlpkit finetune-cls --data sample:fe", ["feedback"]),  # and behind ":"
        ("nlpkit predict runs/b", ["runs/big\\ model"]),
        ('nlpkit predict "runs/b', ["runs/big model"]),
        ("nlpkit predict runs/big\\ model --dev", ["--device"]),
    ],
)
def test_in_bash(line: str, replies: list[str], program: Path) -> None:
    assert in_bash(line) == replies


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_in_fish(program: Path, home: Path) -> None:
    assert main(["--install-completion", "fish"]) == 0

    def offered(line: str) -> list[str]:
        done = subprocess.run(["fish", "-c", 'complete -C "$argv[1]"', line], capture_output=True, text=True)
        return done.stdout.splitlines()

    assert offered("nlpkit quant") == [f"quantize\t{COMMANDS['quantize'].help}"]
    assert [line.strip() for line in offered("nlpkit predict runs/re")] == ["runs/reviews"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_in_zsh(program: Path) -> None:
    """The function of the completion, with what zsh adds to its list of matches caught."""
    script = (
        "compdef() { :; }; compadd() { shift 3; print -rl folders $@; }; _describe() { print -rl ${(P)3}; }\n"
        f"{shells.ZSH}\n"
        'words=("${(@z)1}"); CURRENT=$#words; _nlpkit; true'
    )

    def offered(line: str) -> list[str]:
        done = subprocess.run(["zsh", "-f", "-c", script, "zsh", line], capture_output=True, text=True)
        return done.stdout.splitlines()

    assert offered("nlpkit quant") == [f"quantize:{COMMANDS['quantize'].help}"]
    assert offered("nlpkit predict runs/b") == ["runs/big model:"]
    assert offered("nlpkit predict runs/d") == ["folders", "runs/deep/"]
    assert offered("nlpkit finetune-cls --data sample:fe") == ["sample\\:feedback:"]


# --- where it is kept ---


@pytest.mark.parametrize(
    ("shell", "start"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/completions/nlpkit.fish")]
)
def test_it_is_installed_once(shell: str, start: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shell != "fish":
        (home / start).write_text("alias ll='ls -l'")  # without an end of the line
    assert main(["--install-completion", shell]) == 0
    told = capsys.readouterr().out
    assert str(home / start) in told
    written = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert all(str(path) in told for path in written)
    if shell != "fish":
        lines = (home / start).read_text().splitlines()
        assert lines[0] == "alias ll='ls -l'"
        assert len(lines) == 2
    assert main([f"--install-completion={shell}"]) == 0
    assert "already" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == written


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_line_in_the_bashrc_loads_it(program: Path, home: Path) -> None:
    assert main(["--install-completion", "bash"]) == 0
    command = f'. "{home}/.bashrc"; complete -p nlpkit'
    done = subprocess.run(["bash", "--norc", "-c", command], capture_output=True, text=True)
    assert done.stdout == "complete -F _nlpkit nlpkit\n", done.stderr


def test_the_shell_is_that_of_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert main(["--show-completion"]) == 0
    assert capsys.readouterr().out == shells.ZSH
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["--install-completion"]) == 2
    assert "there is no completion for 'tcsh'" in capsys.readouterr().err
    assert not list(home.iterdir())


def test_a_home_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))  # as read-only: no folder can be made in it, whoever asks
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert main(["--install-completion", "bash"]) == 2
    error = capsys.readouterr().err
    assert f"cannot write {tmp_path}/file/.local/share/nlpkit/completion.bash" in error
    assert "--show-completion bash" in error
