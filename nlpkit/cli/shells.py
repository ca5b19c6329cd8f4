"""Completion in bash, zsh and fish: the script of each, where it goes, and that it goes there once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nlpkit.errors import UserError

BASH = """\
# Completion of nlpkit in bash.
_nlpkit() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(NLPKIT_COMPLETE=bash "${1/#\\~/$HOME}" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    # a folder is gone on with
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _nlpkit nlpkit
"""

ZSH = """\
#compdef nlpkit
# Completion of nlpkit in zsh.
_nlpkit() {
    local line
    local -a offers folders
    while IFS= read -r line; do
        if [[ $line == */: ]]; then
            folders+=("${${line%:}//\\\\:/:}")
        else
            offers+=("$line")
        fi
    done < <(NLPKIT_COMPLETE=zsh ${~words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#folders )) && compadd -S '' -- $folders
    (( $#offers )) && _describe -V nlpkit offers
    (( $#folders + $#offers ))
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _nlpkit nlpkit
"""

FISH = """\
# Completion of nlpkit in fish.
function __nlpkit_offers
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    env NLPKIT_COMPLETE=fish $words[1] $words[2..-1] $begun 2>/dev/null
end
complete --command nlpkit --no-files --keep-order --arguments '(__nlpkit_offers)'
"""

SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
FLAGS = ("--install-completion", "--show-completion")


def answer(arguments: Sequence[str]) -> str:
    """What `nlpkit --install-completion [SHELL]` or `--show-completion [SHELL]` prints, after it is done.

    Args:
        arguments: of nlpkit, the flag first.

    Raises:
        UserError: there are no scripts for the shell, or its file cannot be written.
    """
    flag, sign, value = arguments[0].partition("=")
    rest = [*([value] if sign else []), *arguments[1:]]
    if len(rest) > 1:
        raise UserError(f"{flag} takes one shell, not {len(rest)}", f"Choose one: {', '.join(SHELLS)}.")
    shell = rest[0] if rest else Path(os.environ.get("SHELL") or "").name
    if shell not in SHELLS:
        named = f"there is no completion for {shell!r}" if shell else "SHELL does not say which shell this is"
        raise UserError(named, f"Name one of these: nlpkit {flag} {'|'.join(SHELLS)}")
    return install(shell) if flag == FLAGS[0] else SHELLS[shell].rstrip("\n")


def install(shell: str) -> str:
    """Write the script, and for bash and zsh a line in the file that each shell reads as it starts; say what was done.

    Raises:
        UserError: a file cannot be read or written.
    """
    script, start = _places(shell)
    done = [f"{'wrote' if _write(script, SHELLS[shell]) else 'there already:'} {script}"]
    if start is not None:
        line = f'[ -r "{script}" ] && . "{script}"  # completion of nlpkit'
        done.append(f"{'one line added to' if _append(start, line) else 'its line stands already in'} {start}")
    return "\n".join([*done, f"It is at work in every {shell} that is started from now on."])


def _places(shell: str) -> tuple[Path, Path | None]:
    """The file of the script, and the one that the shell reads as it starts; fish finds the script by itself."""
    home = Path.home()
    if shell == "fish":
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return settings / "fish" / "completions" / "nlpkit.fish", None
    script = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "nlpkit" / f"completion.{shell}"
    return script, home / ".bashrc" if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"


def _write(path: Path, text: str) -> bool:
    """Write a file unless it holds that already; whether it was written."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, error) from None
    return True


def _append(path: Path, line: str) -> bool:
    """Add a line to a file unless it stands there; whether it was added. The rest of the file is not touched."""
    try:
        before = path.read_bytes() if path.is_file() else b""
        if line.encode() in before.splitlines():
            return False
        end = b"" if not before or before.endswith(b"\n") else b"\n"
        with path.open("ab") as file:
            file.write(end + line.encode() + b"\n")
    except OSError as error:
        raise _refused(path, error) from None
    return True


def _refused(path: Path, error: Exception) -> UserError:
    reason = error.strerror if isinstance(error, OSError) else error
    return UserError(
        f"cannot write {path}: {reason}",
        "`nlpkit --show-completion bash` (or zsh, fish) prints the script: keep it where you can, and source it.",
    )
