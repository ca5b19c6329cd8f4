"""The `nlpkit` program: finds the recipe, turns its Config into flags, runs it, prints its report."""

from __future__ import annotations

import contextlib
import errno
import importlib
import inspect
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
import typer.core
from typer.main import get_command

from nlpkit import __version__, interrupts
from nlpkit.annotations import kinds_of
from nlpkit.cli import manual, passing, shells, slips, streams
from nlpkit.cli.registry import COMMANDS, CommandEntry
from nlpkit.errors import Interrupted, NlpkitError, UserError
from nlpkit.reporting import shown

if TYPE_CHECKING:
    from nlpkit.options import Config

# the exceptions of click: typer brings its own copy or uses the package, as its version has it
_exceptions: Any = importlib.import_module(typer.BadParameter.__module__)

HELP = {"help_option_names": ["--help", "-h"]}


class Root(typer.core.TyperGroup):
    """The root command; its help is drawn without rich, whose import would double the time it takes."""

    def get_help(self, ctx: Any) -> str:
        """What nlpkit is for, how to start, and the commands."""
        return manual.root()


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"nlpkit {__version__}")
        raise typer.Exit()


VERSION = typer.Option(
    "--version", "-V", help="Print the version and exit.", is_eager=True, callback=_print_version, show_default=False
)


class LazyCommand(typer.core.TyperCommand):
    """Name and help of a subcommand; its options are built from the recipe's Config when it is called."""

    def __init__(self, name: str, entry: CommandEntry) -> None:
        super().__init__(
            name, help=entry.help, short_help=entry.help, rich_help_panel=entry.panel, callback=lambda: None
        )
        self.module = entry.module

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        module = importlib.import_module(self.module)
        passing.require_target(module, args)
        passed = passing.fields_of(module, args)
        name, fields = str(self.name), {**module.Config.known_fields(), **passed}
        command = _command(name, module)
        command.allow_extra_args = True  # refused below, with what was meant
        given = _translated(args, fields)
        command.given = given
        try:
            context = command.make_context(info_name, passing.gathered(given, passed), parent, **extra)
        except _exceptions.UsageError as error:
            unknown = getattr(error, "option_name", None) if hasattr(error, "possibilities") else None
            if not unknown:
                raise
            hint = slips.unknown_option(unknown, given, fields)
            shown_all = f"See `nlpkit {name} --help-all`."
            raise UserError(f"{name} has no option {unknown}", f"{hint} {shown_all}" if hint else shown_all) from None
        if context.args:
            raise slips.extra_arguments(name, context.args, given, fields)
        slips.refuse_files_as_models(context.params, fields)
        for line in slips.given_twice(given, fields):
            print(f"warning: {shown(line)}", file=sys.stderr)
        return context


def _translated(args: list[str], fields: Mapping[str, Any]) -> list[str]:
    from nlpkit.cli.aliases import environment, translate
    from nlpkit.options import choices

    known = {name.replace("_", "-") for name in fields}
    known |= {f"no-{name}" for name in known} | {"help", "help-all", "config", "json", "quiet", "verbose"}
    switches = {name.replace("_", "-") for name, info in fields.items() if info.annotation is bool}
    args, variables, told = environment(args, known)
    os.environ.update(variables)
    ways = {
        name.replace("_", "-"): choices(info.annotation)
        for name, info in fields.items()
        if kinds_of(info.annotation) in ({bool, str}, {bool, list}) and choices(info.annotation)
    }
    args, notes = translate(args, known, switches, ways)
    if "--quiet" not in args:
        for line in [*told, *notes]:
            print(f"nlpkit: {shown(line)}", file=sys.stderr)
    return args


class RecipeCommand(typer.core.TyperCommand):
    """A subcommand with its options.

    Attributes:
        module: its recipe.
        given: the arguments behind its name.
    """

    module: Any
    given: Sequence[str] = ()

    def get_help(self, ctx: Any) -> str:
        """The options that matter; all others are behind --help-all."""
        if (target := passing.target(self.module, self.given)) is not None:
            return manual.passing_on(str(self.name), target, passing.fields_of(self.module, self.given))
        return manual.short(str(self.name), self.module, self.config())

    def config(self) -> type[Config]:
        """The config whose options `--help` shows: of the task of the model, where the command line names one."""
        from nlpkit.tasks.deferred import DeferredOptions, group_of, settled_class

        config: type[Config] = self.module.Config
        if not issubclass(config, DeferredOptions):
            return config
        given = [argument for argument in self.given if argument not in (*HELP["help_option_names"], "--help-all")]
        values = self.make_context(self.name, given, resilient_parsing=True).params
        try:
            task = config.task_of(values)
        except UserError as error:
            print(f"nlpkit: {shown(error.message)}: the options of every task are shown", file=sys.stderr)
            return config
        return settled_class(config, group_of(task, config.kind), task.name) if task is not None else config


def _command(name: str, module: Any) -> Any:
    """Build the Typer command of a recipe from its Config."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=RecipeCommand, no_args_is_help=False, context_settings=HELP)(_callback(name, module))
    command: Any = get_command(app)
    command.module = module
    return command


def _callback(name: str, module: Any) -> Any:
    config: type[Config] = module.Config
    parameters = [_parameter(field, info) for field, info in config.known_fields().items()]

    def callback(**values: Any) -> None:
        speech = {key: values.pop(key) for key in ("config", "json", "quiet", "verbose")}
        del values["help_all"]
        given = {key: value for key, value in values.items() if value is not None and value != []}
        _execute(name, module, given, **speech)

    def print_all(ctx: typer.Context, wanted: bool) -> None:
        if wanted:
            command: Any = ctx.command
            print(manual.whole(name, module, command.config()))
            raise typer.Exit()

    all_options = Annotated[bool, typer.Option("--help-all", is_eager=True, callback=print_all)]
    extra = [
        _keyword("config", Annotated[str | None, typer.Option("--config")]),
        *(_keyword(flag, Annotated[bool, typer.Option(f"--{flag}")], False) for flag in ("json", "quiet", "verbose")),
        _keyword("help_all", all_options, False),
    ]
    signature = inspect.Signature(parameters + extra)
    callback.__signature__ = signature  # type: ignore[attr-defined]
    callback.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return callback


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameter(field: str, info: Any) -> inspect.Parameter:
    """One command-line parameter. Values stay text: Config is the one place that parses and checks them."""
    kinds = kinds_of(info.annotation)
    kind: Any = str | None
    if list in kinds or dict in kinds:
        kind = list[str] | None
    elif kinds == {bool}:
        kind = bool | None
    if info.json_schema_extra["positional"]:
        # required positionals are checked by Config too, so that --config can give them
        return _keyword(field, Annotated[kind, typer.Argument()])
    flag = "--" + field.replace("_", "-")
    if kinds == {bool}:
        flag = f"{flag}/--no-{field.replace('_', '-')}"  # a flag can unset what a file has set
    return _keyword(field, Annotated[kind, typer.Option(flag)])


def _execute(
    name: str, module: Any, given: dict[str, Any], *, config: str | None, json: bool, quiet: bool, verbose: bool
) -> None:
    from pathlib import Path

    from nlpkit import process, reporting
    from nlpkit.cli.console import console_reporter, show

    process.apply(verbose=verbose)
    # `build` makes the Trainer of those that several processes share
    if not hasattr(module, "build") and not getattr(module, "DESCRIBES_PROCESSES", False):
        process.require_one(name)
    resolved = module.Config.from_sources(given, Path(config) if config else None, name)
    rows_on_stdout = getattr(module, "writes_to_stdout", lambda _: False)(resolved)
    if json and rows_on_stdout:
        raise UserError("--json and the answers would both go to standard output", "Name a file for them: --output.")
    if rows_on_stdout and isinstance(sys.stdout, streams.Guarded):
        sys.stdout.needed = True  # the rows are all that there is to do
    reporting.install(console_reporter(quiet=quiet, json=json or rows_on_stdout))
    process.on_last_words(_last_words(sys.stdout, json=json))
    try:
        # whatever a library prints must not spoil the document
        with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
            report = module.run(resolved)
        interrupts.check()
        if process.is_main_process():
            show(report, json=json)
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None  # typer would say nothing
    finally:
        reporting.install(reporting.Reporter())  # whoever called us from Python goes on in silence
        process.on_last_words(None)
    if report.exit_code:
        if json and report.failure and process.is_main_process():
            print(f"nlpkit: {shown(report.failure, lines=True)}", file=sys.stderr)
        raise typer.Exit(report.exit_code)


def _last_words(out: Any, *, json: bool) -> Callable[[NlpkitError], None]:
    """How a thread says why the process ends: on the standard output from before it was turned away."""

    def say(error: NlpkitError) -> None:
        with contextlib.redirect_stdout(out):
            _fail(error.message, error.hint, error.exit_code, json=json)
            out.flush()  # whoever ends the process flushes what is the standard output now, which may be another

    return say


def build_app() -> Any:
    """The root command with every subcommand of the registry."""
    app = typer.Typer(
        name="nlpkit",
        cls=Root,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=HELP,
    )

    @app.callback()
    def root(version: Annotated[bool, VERSION] = False) -> None:
        pass

    root_command: Any = get_command(app)
    for name, entry in COMMANDS.items():
        root_command.add_command(LazyCommand(name, entry), name)
    return root_command


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code (0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 no reader)."""
    with streams.guarded() as out:
        code = _main(arguments)
        with contextlib.suppress(streams.Unheard):
            out.flush()
        if out.failure is None or code:
            return code
        if out.failure.errno == errno.EPIPE:
            return streams.NO_READER
        message = f"standard output cannot be written to: {out.failure.strerror}"
        return _fail(message, "What was to be said there is lost; files that the command writes are there.", 1)


class _Failure(NamedTuple):
    """What a command ended with that did not give its result."""

    message: str
    hint: str | None
    code: int


def _called(arguments: list[str]) -> Any:
    """Run the command.

    Raises:
        Interrupted: whatever became of the interrupt on its way here: pydantic makes an error of its own of it.
    """
    try:
        return build_app().main(arguments, prog_name="nlpkit", standalone_mode=False)
    except Interrupted:
        raise
    except Exception as error:
        if interrupts.caught():
            raise Interrupted("interrupted") from error
        raise


def _main(arguments: list[str] | None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    verbose = "--verbose" in arguments
    try:
        if arguments[0].partition("=")[0] in shells.FLAGS:
            print(shells.answer(arguments))
            return 0
        code = _called(arguments)
    except typer.Exit as error:
        return error.exit_code
    except streams.Unheard:
        return 0
    except Exception as error:
        if verbose:
            traceback.print_exc()
        return _fail(*_failure_of(error, arguments), json="--json" in arguments)
    if code == Interrupted.exit_code:  # before a command began: typer says nothing
        return _fail("interrupted", None, code, json="--json" in arguments)
    return code if isinstance(code, int) else 0


def _failure_of(error: Exception, arguments: list[str]) -> _Failure:
    """What is said of an error that ended a command line."""
    usage = UserError.exit_code
    if isinstance(error, NlpkitError):
        return _Failure(error.message, error.hint, error.exit_code)
    if isinstance(error, _exceptions.UsageError):
        message = error.format_message()
        if "No such command" in message:
            name = _command_of(arguments)
            return _Failure(f"there is no command '{name}'", slips.unknown_command(name), usage)
        if error.ctx is not None and error.ctx.parent is None and hasattr(error, "possibilities"):
            hint = "Options stand behind the command: nlpkit COMMAND --option ... See `nlpkit --help`."
            return _Failure(message, hint, usage)
        if error.ctx is None or error.ctx.parent is None:
            return _Failure(message, "See `nlpkit --help`.", usage)
        return _Failure(message, f"See `{error.ctx.command_path} --help-all`.", usage)
    if isinstance(error, _exceptions.ClickException):
        return _Failure(error.format_message(), None, usage)
    if isinstance(error, typer.Abort):
        return _Failure("interrupted", None, Interrupted.exit_code)
    return _Failure(*_unexpected(error))


def _command_of(arguments: list[str]) -> str:
    """The name of the subcommand on a command line."""
    return next((argument for argument in arguments if not argument.startswith("-")), "")


def _unexpected(error: Exception) -> tuple[str, str | None, int]:
    from nlpkit.runs.files import is_disk_full

    if isinstance(error, OSError) and is_disk_full(error):  # of temporary files, for one
        place = error.filename or tempfile.gettempdir()
        return f"the disk is full: {place} could not be written", "Free some space; TMPDIR moves temporary files.", 1
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("nlpkit"):
        # of a small environment that holds what an exported run needs alone
        hint = "Install nlpkit with all that it requires: pip install nlpkit"
        return f"this needs {error.name.partition('.')[0]}, which is not installed here", hint, 1
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0] if text else ''}"
    return message, "Run again with --verbose for the traceback.", 1


def _laid_out(text: str) -> str:
    """A text for standard error: on a terminal broken between words, but for lines with a command, to be copied."""
    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size().columns
    lines = ([line] if "nlpkit " in line else manual.wrapped_lines(line, width) for line in text.split("\n"))
    return "\n".join(part for parts in lines for part in parts)


def _fail(message: str, hint: str | None, code: int, *, json: bool = False) -> int:
    """Say why there is no result: on standard error, and with --json as the document on standard output, too."""
    if os.environ.get("RANK", "0") != "0":
        return code
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    start, end = ("\033[1;31m", "\033[0m") if colour else ("", "")
    print(f"{start}{_laid_out(f'nlpkit: {shown(message, lines=True)}')}{end}", file=sys.stderr)
    if hint:
        print(_laid_out(f"  {shown(hint, lines=True)}"), file=sys.stderr)
    if json:
        from json import dumps

        with contextlib.suppress(streams.Unheard):
            error = {"message": message, "hint": hint, "exit_code": code}
            print(dumps({"error": error}, indent=2))
    return code
