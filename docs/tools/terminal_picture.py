"""Run a command in a terminal of 96 columns and draw what it showed as an SVG.

python docs/tools/terminal_picture.py docs/quickstart.svg nlpkit finetune-cls --data sample:feedback
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 96


def record(command: list[str]) -> str:
    """What a command writes to a terminal, control codes included."""
    os.environ.update(COLUMNS=str(COLUMNS), TERM="xterm-256color", COLORTERM="truecolor")
    chunks: list[bytes] = []

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        chunks.append(data)
        return data

    pty.spawn(command, read)
    return b"".join(chunks).decode(errors="replace")


def settle(text: str) -> str:
    """Drop the frames of progress bars: what a line showed before it was drawn over."""
    lines: list[str] = [""]
    row = 0
    for part in re.split(r"(\r\n|\n|\r|\x1b\[\d*A|\x1b\[\d*K|\x1b\[\?25[lh])", text):
        if part in ("\n", "\r\n"):
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\r":
            pass
        elif match := re.fullmatch(r"\x1b\[(\d*)A", part):
            row = max(row - int(match[1] or 1), 0)
        elif re.fullmatch(r"\x1b\[\d*K", part):
            lines[row] = ""
        elif not part.startswith("\x1b[?25"):
            lines[row] += part
    return "\n".join(line for line in lines).rstrip()


def main() -> None:
    """Record, settle, draw."""
    target, command = Path(sys.argv[1]), sys.argv[2:]
    shown = settle(record(command))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), shlex.join(["nlpkit", *command[1:]])))
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="nlpkit")
    # the font is the viewer's own: nothing is fetched when the picture is shown
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    target.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
