"""Write one web page about a run: what it is, how good, where it is wrong, how to use and repeat it.

For any run folder, of this nlpkit or an older one, finished or not. The page is one file that holds its pictures, loads
nothing and runs nothing, so that it can be mailed, printed or kept with a build. It shows texts of the data: the
mistakes that the run has in its errors.jsonl.

Examples: nlpkit report runs/reviews
nlpkit report runs/reviews --output reviews.html
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from nlpkit import __version__, options
from nlpkit.errors import UserError
from nlpkit.options import FolderOptions, option, option_like
from nlpkit.overview import found, options_told, run_page, usage
from nlpkit.overview.run import Run
from nlpkit.reporting import Report, typed
from nlpkit.runs.files import require_writable, whole, writing
from nlpkit.runs.folder import human_bytes
from nlpkit.runs.records import RECORD

COMMAND = "report"
ESSENTIAL: tuple[str, ...] = ("run", "output", "overwrite")
PAGE = "report.html"


class Config(options.Config):
    """Options of `nlpkit report`."""

    run: Path = option(..., "Run folder.", panel="Input", metavar="DIR", positional=True)
    output: Path | None = option(
        None, "Page to write.", panel="Output", metavar="FILE", shown_default=f"{PAGE} in the run folder"
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.")


def run(config: Config) -> Report:
    """Write the page; imports neither torch nor transformers.

    Raises:
        UserError: there is no such run, its record cannot be read, or the page cannot be written.
    """
    looked_at = found.described(Run.open(config.run))
    output = config.output or config.run / PAGE
    if output.suffix not in (".html", ".htm"):
        raise UserError(f"--output {output}: a report is a web page", "End its name in .html.")
    # the page of a run, which this command wrote, is replaced by a newer one; a file that is named is not
    replaced = config.overwrite or config.output is None
    require_writable(output, overwrite=replaced)
    text = run_page.html(looked_at, _told(looked_at.run))
    with writing(output), whole(output, overwrite=replaced) as partial:
        partial.write_text(text, encoding="utf-8")
    size = len(text.encode())
    record = {"run": str(config.run), "status": looked_at.status, "output": str(output), "bytes": size}
    return Report(record, lines=[f"report: {output}, {human_bytes(size)}"])


def _told(made: Run) -> run_page.Told:
    command = made.command
    kind = options_of(command)
    set_ones = options_told.set_ones(made.config, kind) if kind is not None else dict(made.config)
    repeat = None
    if command is not None and kind is not None:
        repeat = "\n".join(
            [
                options_told.command_line(command, set_ones, kind),
                "# with every option as it was, also those that a later nlpkit may choose otherwise:",
                f"nlpkit {command} --config {typed(made.path / RECORD)}",
            ]
        )
    written = f"nlpkit {__version__} report, {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}"
    return run_page.Told(set_ones, repeat, usage.snippets(made), written)


def options_of(command: str | None) -> type[options.Config] | None:
    """The options of a command; None where this nlpkit has no such command."""
    if command is None:
        return None
    name = f"nlpkit.recipes.{command.replace('-', '_')}"
    try:
        kind: type[options.Config] = importlib.import_module(name).Config
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None
    return kind
