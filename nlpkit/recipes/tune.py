"""Search the options of a command that trains: learning rate, batch size, or any other.
Writes a folder: the best run, its recipe, a table of all runs, pictures.

Each run is one of the command with other values, in a process of its own and a folder of its own; the first has the
defaults. --learning-rate 1e-5..5e-4:log is a range (:int whole numbers, :0.1 steps), --batch-size 16,32 a list; all
other options of the command are fixed as they are given. The best is chosen on validation and then compared with the
defaults on test rows, which no run has seen: where these do not tell them apart, it says that the search was not worth
it. Weights are kept of the best and of the defaults. A search that was ended goes on with --resume.
`nlpkit tune COMMAND --help` lists what can be searched.

Examples: nlpkit tune finetune-cls --data trec --learning-rate 1e-5..5e-4:log --batch-size 16,32
nlpkit tune finetune-ner --data wnut17 --space space.yaml --jobs 2
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import interrupts, machine, nearby, reporting
from nlpkit.errors import NlpkitError, UserError
from nlpkit.experiment import lifecycle, resume
from nlpkit.options import Config as BaseConfig
from nlpkit.options import FolderOptions, flag_of, option_like, without_permissions
from nlpkit.recipes import compare
from nlpkit.reporting import Report, counted, duration, typed
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, read_record, versions
from nlpkit.runs.records import RECORD
from nlpkit.tuning import fingerprint, rate_range, space
from nlpkit.tuning.options import TuneOptions, without_password
from nlpkit.tuning.space import Space

if TYPE_CHECKING:
    from nlpkit.trials.running import Outcome, Trial
    from nlpkit.tuning.search import Search, Told

COMMAND = "tune"
ESSENTIAL: tuple[str, ...] = (
    "target",
    "space",
    "lr_finder",
    "trials",
    "sampler",
    "objective",
    "max_minutes",
    "output",
    "resume",
)
PASSES_TO: Mapping[str, str] = {
    command: f"nlpkit.recipes.{command.replace('-', '_')}"
    for command in (
        "finetune-cls",
        "finetune-ner",
        "finetune-qa",
        "finetune-embed",
        "finetune-seq2seq",
        "pretrain-mlm",
        "pretrain-clm",
        "distill",
        "prune",
    )
}
"""The commands that can be tuned, with their modules."""
APART = 0.1  # of train, held out as test rows for the comparison in the end where the data have none
TRIALS, BEST, PLOTS = "trials", "best", "plots"  # folders of a search
RECIPE, TABLE = "best.yaml", "trials.csv"


class Config(TuneOptions):
    """Options of `nlpkit tune`."""

    output: Path | None = option_like(
        FolderOptions, "output", help="Folder to write.", shown_default="runs/tuned-<command>"
    )


def target_of(name: str) -> type[BaseConfig]:
    """The options of a command that is tuned.

    Raises:
        UserError: there is none of that name that trains.
    """
    if name not in PASSES_TO:
        near = nearby.nearest(name, PASSES_TO)
        hint = f"Did you mean {near}?" if near else f"One of: {', '.join(PASSES_TO)}."
        raise UserError(f"tune needs a command that trains, and {name!r} is none", hint)
    config: type[BaseConfig] = importlib.import_module(PASSES_TO[name]).Config
    return config


@lock.given_back()
def run(config: Config) -> Report:
    """Search, judge the best, write the folder; returns the table of all runs.

    Raises:
        UserError: something is wrong with the command, its options or what is searched; or the search that is there
            is another one.
        RunError: no run has ended well.
    """
    from nlpkit.tuning import study as account

    started = time.monotonic()
    folder = RunFolder(config.output or RunFolder.default_path("tuned", config.target))
    record = _record_of(config, folder)
    config = _resumed(config, folder, record)
    kind = target_of(config.target)
    account.require()
    _require_together(config)
    looks = config.lr_finder
    widest = rate_range.widest(config, kind) if looks else {}
    found = space.read(kind, {**config.options, **widest}, config.space, config.target)
    if looks:
        rate_range.require_one_model(found)
    if config.sampler == "grid":
        list(found.grid())
    folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    anew = folder.state(replaced=config.overwrite) == "free" or (config.overwrite and not config.resume)
    reporting.current().plan(COMMAND, _plan(config, found, folder.path, apart=_sets_apart(kind, found), looks=looks))
    if config.dry_run:
        return Report({"dry_run": True, "config": config.record()}, lines=["dry run: nothing was trained or written"])
    picture, tested = None, record.get(rate_range.RECORDED)
    if looks:
        tested, picture = rate_range.find(config.target, _fixed(config, kind, found))
        # from here on it is a search of this range, which its record repeats and --resume goes on with
        config = config.changed(lr_finder=False, options={**config.options, rate_range.RATE: tested["searched"]})
        found = space.read(kind, config.options, config.space, config.target)
    head = {"command": COMMAND, "config": config.record(), "seed": config.seed, "versions": versions()}
    head |= {rate_range.RECORDED: tested} if tested else {}
    known = account.identity(config.target, found, config.objective, fingerprint.checksums(found.fixed), config.seed)
    place = config.storage or str(folder.path / account.JOURNAL)
    if anew and config.storage is None:  # the journal stands in the folder
        folder.start(head, overwrite=config.overwrite, resume=False)
    # the account of another search is refused before the record of the one that is here is replaced
    study = account.begun(account.opened(place), place, known, found, config)
    with resume.telling_how_to_resume(COMMAND, folder.path), lifecycle.noting_failure(folder):
        if not anew or config.storage is not None:
            folder.start(head, overwrite=config.overwrite, resume=config.resume)
        if picture is not None:
            (folder.path / rate_range.PICTURE).write_bytes(picture)
        with contextlib.ExitStack() as cluster:
            search = _search(config, kind, found, study, folder.path / TRIALS, cluster)
            search.work()
        search.require_any()
        interrupts.check()
        return _finished(config, search, folder, head, started)


def _record_of(config: Config, folder: RunFolder) -> Mapping[str, Any]:
    """Of the search that is gone on with; empty where there is none."""
    return (read_record(folder.path) or {}) if config.resume and folder.path.exists() else {}


def _resumed(config: Config, folder: RunFolder, record: Mapping[str, Any]) -> Config:
    """The options that a search was begun with, with those that are given now on top.

    Raises:
        UserError: the folder is of another command, its account is elsewhere, and not named, or --lr-finder is given
            for a search that was begun without.
    """
    if not record:
        return config
    if (command := record.get("command", COMMAND)) != COMMAND:
        raise UserError(f"--resume: {folder.path} is a run of `nlpkit {command}`", "Give another --output.")
    recorded = record.get("config") or {}
    shared = recorded.get("storage")
    if shared and config.storage is None:
        hint = "Give it again, as it was, with the password of a database: a record is not let open one."
        raise UserError(f"--resume: the account of this search is in --storage {shared}", hint)
    if config.lr_finder:
        config = rate_range.known(config, target_of(config.target), record, folder.path)
    return config.on_top_of(without_permissions(recorded, folder.path / RECORD))


def _require_together(config: Config) -> None:
    """Raises UserError: options do not go together."""
    from nlpkit.tuning.search import LATENCY

    two = len(config.objective) == 2
    if len(config.objective) > 2 or len(set(config.objective)) < len(config.objective):
        raise UserError(f"--objective {','.join(config.objective)}: one or two different ones are searched for")
    if two and config.pruner != "none":
        raise UserError(f"--pruner {config.pruner} is for one objective, not for two", "Leave it out.")
    if config.sampler == "nsga2" and not two:
        raise UserError("--sampler nsga2 is for two objectives", "Give --objective accuracy,latency, too.")
    if config.ray is not None and config.pruner != "none":
        raise UserError(f"--pruner {config.pruner}: nobody watches the runs of a cluster", "Leave it out with --ray.")
    if LATENCY in config.objective and config.jobs > 1:
        raise UserError("--jobs: what is timed beside other runs is slower than it is", "Leave it out with latency.")


def _sets_apart(kind: type[BaseConfig], found: Space) -> bool:
    """Whether trials hold rows out of train that choose nothing, where the data have no test split."""
    fields = kind.known_fields()
    return "test_share" in fields and fields["test_share"].default == 0 and "test_share" not in found.fixed


def _plan(config: Config, found: Space, output: Path, *, apart: bool, looks: bool) -> list[tuple[str, str]]:
    from nlpkit.tuning import search as searching
    from nlpkit.tuning import told

    cells = found.cells()
    combinations = "any number of combinations" if cells is None else f"{cells:,} combinations"
    of_grid = (cells or 0) + 1 if config.sampler == "grid" else searching.TRIALS
    most = config.trials if config.trials is not None else of_grid
    at_once = f", {config.jobs} at a time" if config.jobs > 1 else ""
    fixed = ", ".join(f"{name} {value}" for name, value in found.fixed.items())
    searched = dict(told.planned(found))
    if looks:
        searched[flag_of(rate_range.RATE)] = rate_range.planned()
    return [
        ("command", config.target),
        *searched.items(),
        ("fixed", fixed or "nothing"),
        ("trials", f"{most:,}, the defaults among them, of {combinations}; {config.sampler}{at_once}"),
        ("chosen by", " and ".join(config.objective) or "the metric that picks checkpoints, on validation"),
        *([("judged by", f"test; where there is none, {APART:.0%} of train, held out")] if apart else []),
        ("account", without_password(config.storage) or f"{output / 'journal.log'}"),
        ("output", str(output)),
    ]


def _fixed(config: Config, kind: type[BaseConfig], found: Space) -> dict[str, Any]:
    """The options that all runs have."""
    fields = kind.known_fields()
    fixed: dict[str, Any] = {**found.fixed, "seed": config.seed}
    if "judge_test" in fields:
        fixed["judge_test"] = False  # which is left for the comparison in the end
    if _sets_apart(kind, found):
        fixed["test_share"] = APART  # where the data have a test split it is taken as it is
    return fixed


def _search(
    config: Config,
    kind: type[BaseConfig],
    found: Space,
    study: Any,
    folder: Path,
    cluster: contextlib.ExitStack,
) -> Search:
    """The search, with what runs its trials: this machine, or a cluster that ends with `cluster`."""
    from nlpkit.trials import running
    from nlpkit.tuning import latency, on_ray
    from nlpkit.tuning.search import Search

    fixed = _fixed(config, kind, found)
    if config.jobs > 1 and config.ray is None and "threads" not in fixed:
        fixed["threads"] = max(machine.threads()[0] // config.jobs, 1)
    begin: Callable[[Trial, Any], Outcome] = running.run
    if config.ray is not None:
        begin = cluster.enter_context(on_ray.tasks(config.ray, config.jobs, fixed.get("threads")))

    def one(number: int, values: Mapping[str, Any], watch: Any) -> Outcome:
        return begin(running.Trial(config.target, {**fixed, **values}, folder / f"{number:03}"), watch)

    def timed(run: Path) -> float:
        return latency.measured(run, fixed, COMMAND)

    return Search(study, found, config, config.seed, folder, one, timed)


# --- the end ---


def _finished(config: Config, search: Search, folder: RunFolder, head: Mapping[str, Any], started: float) -> Report:
    """Judge the best on rows that chose nothing, write the folder, and tell of it."""
    from nlpkit.runs import plots
    from nlpkit.tuning import pictures, told, weights

    trials, best = search.trials(), search.best()
    chosen, names = best[0], search.names
    chosen = next((each for each in trials if each.number == chosen.repeats), chosen)
    default = next((each for each in trials if each.is_default), None)
    gain = _gain(config, search, chosen, default)
    found = told.importance(search.study, search.space)
    rows = told.rows_of(trials, search.space, names, lower=search.lower)
    values = {**chosen.values}
    metrics: dict[str, Any] = {"validation": dict(chosen.figures)}
    if gain.get("split") == "test":
        metrics["test"] = gain.pop("metrics")
    gain.pop("metrics", None)
    record = {
        **head,
        "metrics": metrics,
        "main_metric": search.metric,
        "search": {
            "command": config.target,
            "space": {name: str(each) for name, each in search.space.searched.items()},
            "objective": names,
            "lower_is_better": search.lower,
            "best": {"trial": chosen.number, "values": values, "is_default": chosen.is_default},
            "front": [each.number for each in best] if len(names) == 2 else None,
            "gain": gain,
            "importance": found,
            "trials": rows,
        },
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    with folder.staging() as staged:
        told.write_trials(rows, staged / TABLE)
        told.write_recipe(config.target, search.space, {**values, "seed": config.seed}, staged / RECIPE)
        drawn = pictures.pictures(trials, search.space, names, found, lower=search.lower)
        plots.draw(drawn, staged / PLOTS)
        if chosen.here:
            weights.keep(Path(chosen.folder), staged / BEST)
        folder.finish(record, staged, keep_checkpoints=False)
    return _report(config, search, folder.path, record, trials, best, chosen)


def _report(
    config: Config,
    search: Search,
    folder: Path,
    record: dict[str, Any],
    trials: Sequence[Told],
    best: Sequence[Told],
    chosen: Told,
) -> Report:
    from nlpkit.tuning import told

    of_search = record["search"]
    lines = told.state_lines(trials) + told.outside_lines(trials, search.space)
    complete = sum(each.state == "complete" and each.repeats is None for each in trials)
    lines.append(told.importance_line(of_search["importance"], complete))
    if chosen.is_default and len(best) > 1:
        lines.append(f"no trial is better than the defaults in {search.names[0]}")
    elif chosen.is_default:
        lines.append("no trial is better than the defaults on validation: the search was not worth it")
    else:
        lines += told.gain_lines(of_search["gain"])
    took = duration(60 * sum(each.minutes for each in trials))
    where = str(folder / BEST) if chosen.here else f"{chosen.folder} on {chosen.machine}, whose command has it in best/"
    lines.append(
        f"{counted(len(trials), 'trial', 'trials')}, {took} of runs; the best is trial {chosen.number}: {where}"
    )
    lines.append(f"recipe {folder / RECIPE}, all trials {TABLE}, {PLOTS}/")
    table = told.table(of_search["trials"], search.space, search.names, [each.number for each in best])
    return Report(
        {**record, "output": str(folder)},
        [table],
        lines,
        next_command=f"nlpkit {config.target} --config {typed(folder / RECIPE)} --output runs/again",
    )


def _gain(config: Config, search: Search, best: Told, default: Told | None) -> dict[str, Any]:
    """The best run less that of the defaults, on the same rows: those of test where there are any."""
    if best.is_default:
        return {"why": "it is the defaults"}
    if default is None or default.state != "complete":
        return {"why": "the run of the defaults has not ended well"}
    if elsewhere := [each for each in (default, best) if not each.here]:
        return {"why": f"trial {elsewhere[0].number} is on {elsewhere[0].machine}"}
    record = read_record(best.folder) or {}
    split = "test" if "test" in (record.get("rows") or {}) else "validation"
    placed = {name: config.options[name] for name in ("device", "precision", "threads") if name in config.options}
    runs = [default.folder, best.folder]
    try:
        with reporting.part("judge the best"):
            compared = compare.run(compare.Config(runs=runs, split=split, **placed)).record
    except NlpkitError as error:
        return {"why": error.message}
    metric = compared["main_metric"]
    (found,) = compared["comparisons"]
    if metric not in found["differences"]:
        return {"why": f"there is no test of {metric}"}
    difference = found["differences"][metric]
    figures = compared["metrics"]
    return {
        "split": split,
        "rows": compared["rows"],
        "metric": metric,
        "defaults": figures[runs[0]][metric],
        "best": figures[runs[1]][metric],
        **{name: difference[name] for name in ("value", "interval", "p", "test")},
        "better": found["better"],
        "metrics": figures[runs[1]],
    }
