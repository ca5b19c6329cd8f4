"""Answer over HTTP with trained models of any task, and search indexes.
Prints the address, and a line per request on standard error.

Requests are queued by tokens and answered together; what is too much is refused at once (429). / is a page to try the
models on, /docs lists the routes, /metrics is for Prometheus. After SIGTERM what waits is answered; exit code 0.
--dockerfile DIR and --kubernetes DIR write files that run the same service elsewhere.

Examples: nlpkit serve runs/reviews-int8
nlpkit serve sentiment=runs/reviews-int8 faq=faq.index --port 8080
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.reporting import Report, typed
from nlpkit.serving.deployment.options import DeploymentOptions
from nlpkit.serving.options import ServiceOptions
from nlpkit.tasks.contract import Task

if TYPE_CHECKING:
    from nlpkit.serving.service import Service

COMMAND = "serve"
NEEDS = Task  # of the tasks of the models
ESSENTIAL: tuple[str, ...] = (
    "runs",
    "host",
    "port",
    "api_key_file",
    "max_queue_seconds",
    "max_inputs",
    "cache",
    "self_check",
    "dockerfile",
)


class Config(DeploymentOptions, ServiceOptions):
    """Options of `nlpkit serve`."""


def run(config: Config) -> Report:
    """Serve until a signal ends it; returns what was answered, or the files that were written in its place."""
    config.refuse_unread()
    names = named(config.runs)
    from nlpkit.serving import lifecycle, self_check

    if config.dockerfile is not None or config.kubernetes is not None:
        from nlpkit.serving.deployment import asked

        lifecycle.require_models(names, config)
        return asked.write(config, config, names)
    lifecycle.require_packages()
    lifecycle.require_models(names, config)
    reporting.current().plan("serve", [(name, run) for name, run in names.items()])

    checked: list[self_check.Checked] = []

    def began(service: Service, address: str) -> bool:
        reporting.current().line(f"ready: {address}")
        if config.self_check:
            checked.extend(self_check.check(service, address, config.self_check_rows))
            return False
        reporting.current().note(f"a page to try it on: {address}/; routes: {address}/docs")
        return True

    service = lifecycle.serve(config, names, began)
    counts = service.counts()
    told = f"{reporting.counted(counts['answered'], 'request', 'requests')} answered, {counts['refused']:,} not"
    report = Report({"models": names, **counts}, [], [told])
    if config.self_check:
        report.record["self_check"] = [one.record() for one in checked]
        report.tables.append(self_check.table(checked))
        report.lines += [line for one in checked for line in one.lines()]
        if failures := [failure for one in checked for failure in one.failures]:
            report.exit_code, report.failure = 1, "; ".join(failures)
    return report


def named(runs: list[str]) -> dict[str, str]:
    """The models by the names that requests use: `NAME=RUN`, else the last part of the run's path.

    Raises:
        UserError: two have one name, or one has none that fits into an address.
    """
    names: dict[str, str] = {}
    for given in runs:
        name, equals, run = given.partition("=")
        if not equals or Path(given).exists():
            name, run = Path(given).resolve().name if Path(given).exists() else given.rsplit("/", 1)[-1], given
        if not name or not run or not all(part.isalnum() or part in "._-" for part in name):
            raise UserError(f"{given}: {name!r} is no name for a model", "Letters, digits, '.', '_' and '-': NAME=RUN.")
        if name in names:
            raise UserError(
                f"two models are named {name!r}: {names[name]} and {run}",
                f"Name one of them: {typed(f'{name}-2={run}')}.",
            )
        names[name] = run
    return names
