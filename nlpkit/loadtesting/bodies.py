"""What is sent: the rows of a file as bodies of requests, in the form that the service takes."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np

from nlpkit import process, reporting
from nlpkit.data import columns as column_names
from nlpkit.data.inputs import Input, Reading
from nlpkit.data.labels import is_missing
from nlpkit.data.readers import rows_of
from nlpkit.errors import UserError
from nlpkit.loadtesting.options import LoadOptions, RequestOptions
from nlpkit.nearby import nearest
from nlpkit.reporting import counted
from nlpkit.runs.files import small_text

MOST_ROWS = 100_000  # that are sent in turn
PLACE = re.compile(r"\{\{\s*(.+?)\s*\}\}")
OWNER = "nlpkit"  # what a service of nlpkit calls itself

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Served:
    """A model that a service of nlpkit names.

    Attributes:
        name: by which it is asked for.
        inputs: names of the columns that it reads, the main text first.
        routes: what can be asked of it.
    """

    name: str
    inputs: Sequence[str]
    routes: Sequence[str]


@dataclass(frozen=True)
class Asked:
    """Where requests go, and what they hold.

    Attributes:
        path: of the service.
        template: a JSON value whose texts have columns in braces.
        model: of a service that names it.
    """

    path: str
    template: Any
    model: str | None = None


def read(options: RequestOptions) -> list[Row]:
    """The rows of --input.

    Raises:
        UserError: there is no file, or it cannot be read.
    """
    if options.input is None:
        raise UserError(
            "name a file with texts to send: --input FILE (- for a pipe)",
            "Texts of your users, if you have any: a service is as fast as its texts are short.",
        )
    reading = Reading.of(options)
    if options.input == "-":
        source = Input.of(process.standard_input(), replace(reading, format=options.format or "txt"))
    else:
        source = Input.of(options.input, reading)
    rows: list[Row] = [row.values for row in itertools.islice(rows_of(source), MOST_ROWS + 1)]
    if len(rows) > MOST_ROWS:
        reporting.current().note(f"{options.input}: only the first {MOST_ROWS:,} rows are sent, in turn")
    return rows[:MOST_ROWS]


def models_of(document: Any) -> list[Served] | None:
    """The models that a service of nlpkit serves; None where the answer to `GET /v1/models` is of another service."""
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        return None
    if not all(isinstance(entry, dict) and entry.get("owned_by") == OWNER for entry in entries):
        return None
    served = []
    for entry in entries:
        form = entry["form"] if isinstance(entry.get("form"), dict) else {}
        inputs = [str(each["name"]) for each in form.get("inputs") or [] if isinstance(each, dict) and "name" in each]
        served.append(Served(str(entry.get("id")), inputs, [str(route) for route in form.get("routes") or []]))
    return served


def asked_of(served: Sequence[Served] | None, path: str, options: LoadOptions, columns: Sequence[str]) -> Asked:
    """Which path is asked, with what.

    Args:
        served: the models, where the service is one of nlpkit.
        path: of the address, empty where it has none.
        options: with --model and --body.
        columns: of the rows.

    Raises:
        UserError: it is not known how this service is asked, the model is not one of its, or the template is no JSON
            or names a column that there is not.
    """
    if options.body is not None:
        if served and not path:
            path = _path(_chosen(served, options.model), "predict")
        if not path:
            raise UserError(
                f"URL {options.url}: --body is for a path of the service", f"For example {options.url}/predict."
            )
        if options.model is not None and not served:
            raise UserError("--model: this service is none of nlpkit", "Name the model in the URL or in --body.")
        return Asked(path, _template(options.body, columns))
    if served is None:
        where = f"URL {options.url}: this is no service of nlpkit"
        raise UserError(
            f"{where}, and how it is asked is not known",
            'Say it: a path in the URL, and --body \'{"inputs": "{{ text }}"}\'.',
        )
    model = _of_path(served, path) or _chosen(served, options.model)
    path = path or _path(model, _route(model))
    return Asked(path, _own_template(model, path, options, columns), model.name)


def made(asked: Asked, rows: Sequence[Row]) -> list[bytes]:
    """The body of each row that has all that is sent; how many have not is said.

    Raises:
        UserError: none has.
    """
    wanted = sorted(_places(asked.template))
    bodies, left_out = [], 0
    for row in rows:
        if any(is_missing(row.get(name)) for name in wanted):
            left_out += 1
            continue
        bodies.append(json.dumps(_filled(asked.template, row), ensure_ascii=False, default=str).encode())
    shown = ", ".join(f"'{name}'" for name in wanted)
    if not bodies:
        raise UserError(f"no row has {shown}: there is nothing to send", "Name another --input.")
    if left_out:
        lacking = counted(left_out, "row without {} is not sent", "rows without {} are not sent")
        reporting.current().warn(lacking.format(shown))
    return bodies


def in_turn(
    bodies: Sequence[bytes], order: Literal["shuffled", "file"], generator: np.random.Generator
) -> Iterator[bytes]:
    """The bodies without end, each once a round."""
    while True:
        places = generator.permutation(len(bodies)) if order == "shuffled" else range(len(bodies))
        for place in places:
            yield bodies[place]


def _chosen(served: Sequence[Served], name: str | None) -> Served:
    names = [model.name for model in served]
    if name is None:
        if len(served) > 1:
            raise UserError(f"the service has {len(served)} models: {', '.join(names)}", "Name one: --model NAME.")
        return served[0]
    if name not in names:
        near = nearest(name, names)
        raise UserError(
            f"--model {name}: the service has no such model",
            f"Did you mean {near}?" if near else f"There is {', '.join(names)}.",
        )
    return served[names.index(name)]


def _of_path(served: Sequence[Served], path: str) -> Served | None:
    return next((model for model in served if path.startswith(_path(model, ""))), None)


def _path(model: Served, route: str) -> str:
    return f"/v1/models/{quote(model.name, safe='')}/{route}"


def _route(model: Served) -> str:
    """What is asked of a model unless a path says otherwise."""
    return "predict" if "predict" in model.routes or not model.routes else model.routes[0]


def _own_template(model: Served, path: str, options: RequestOptions, columns: Sequence[str]) -> Any:
    """A request as a service of nlpkit takes it at a path."""
    place = f"{{{{ {_text_column(columns, options, model.inputs)} }}}}"
    last = path.rpartition("/")[2]
    if last == "search":
        return {"query": place}
    if last == "embeddings":
        return {"model": model.name, "input": place}
    if last == "completions":
        return {"model": model.name, "prompt": place}
    if last not in ("predict", "embed"):
        raise UserError(f"URL: it is not known what is sent to {path}", "Say it: --body TEMPLATE.")
    others = {name: _column(name, columns) for name in model.inputs[1:]}
    if options.text_pair_column is not None and len(model.inputs) > 1:
        others[model.inputs[1]] = column_names.require(options.text_pair_column, columns, "text pair")
    there = {name: column for name, column in others.items() if column is not None}
    if not there:
        return {"input": place}
    return {"input": {model.inputs[0]: place, **{name: f"{{{{ {column} }}}}" for name, column in there.items()}}}


def _text_column(columns: Sequence[str], options: RequestOptions, inputs: Sequence[str]) -> str:
    if options.text_column:
        return column_names.require(options.text_column, columns, "text")
    known = _column(inputs[0], columns) if inputs else None
    found = known or column_names.guess(columns, column_names.TEXT_NAMES) or (columns[0] if len(columns) == 1 else None)
    if found is None:
        raise UserError(
            f"no column looks like text; the columns are {', '.join(columns)}", "Name it with --text-column."
        )
    if known is None and len(columns) > 1:
        reporting.current().note(f"text: column '{found}' (guessed; --text-column)")
    return found


def _column(name: str, columns: Sequence[str]) -> str | None:
    return next((column for column in columns if column.strip().lower() == name.lower()), None)


def _template(given: str, columns: Sequence[str]) -> Any:
    """What --body says, its columns as they are called in the file.

    Raises:
        UserError: it cannot be read, is no JSON, has no column, or one that there is not.
    """
    text, where = given, "--body"
    if not given.lstrip().startswith(("{", "[", '"')):
        where = f"--body {given}"
        try:
            text = small_text(Path(given))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UserError(
                f"{where}: it is no JSON, and no file that can be read: {reason}",
                'A body begins with a brace: --body \'{"inputs": "{{ text }}"}\'.',
            ) from None
    try:
        template = json.loads(text)
    except ValueError as error:
        raise UserError(f"{where}: not valid JSON: {error}", 'For example {"inputs": "{{ text }}"}.') from None
    except RecursionError:
        raise UserError(f"{where}: it is nested too deep") from None
    places = _places(template)
    if not places:
        raise UserError(
            f"{where}: it holds no column, so every request would be the same",
            f"Columns stand in braces: {{{{ {columns[0]} }}}}.",
        )
    names = {place: column_names.require(place, columns, "--body") for place in places}
    return _filled(template, {place: f"{{{{ {name} }}}}" for place, name in names.items()})


def _places(template: Any) -> set[str]:
    """The columns that a template names."""
    if isinstance(template, str):
        return set(PLACE.findall(template))
    parts: Sequence[Any] = ()
    if isinstance(template, dict):
        parts = list(template.values())
    elif isinstance(template, list):
        parts = template
    return set().union(*map(_places, parts))


def _filled(template: Any, row: Row) -> Any:
    """The template with the cells of a row; a text that is a column and no more takes the cell as it is."""
    if isinstance(template, str):
        alone = PLACE.fullmatch(template)
        if alone is not None and alone[1] in row:
            return row[alone[1]]
        return PLACE.sub(lambda match: str(row[match[1]]), template)
    if isinstance(template, dict):
        return {name: _filled(value, row) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, row) for value in template]
    return template
