"""What is done: `manifest.json` in the folder of the answers, by which a second start goes on.

It names all shards from the start, so that a file of the folder that it does not name is somebody else's. It is written
anew as shards are done, whole each time, but not so often that a batch of many small shards would write nothing else:
what a killed command had done in the last seconds is done again, to the same bytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from nlpkit import __version__, reporting
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.sharding.listing import Shard, places
from nlpkit.sharding.stores import Target
from nlpkit.sharding.worker import Answered, Failed

NAME = "manifest.json"
PAUSE = 20  # times as long as writing took, until it is written again
LEAST_PAUSE = 1.0  # seconds
ANEW = "--overwrite begins anew, or give another --output."


def _below(name: str) -> str:
    """A manifest may be somebody else's: what it names is removed where it is replaced."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError("it names a file outside of its folder")
    return name


Name = Annotated[str, AfterValidator(_below)]


class Entry(BaseModel):
    """A shard: the file that it is, and what became of it."""

    model_config = ConfigDict(extra="ignore")

    input: str
    """The file: its path, as --input spells it, or its address."""
    bytes: int
    """Its size."""
    fingerprint: str
    """What the file system or the store tells of its content: an ETag, or when it was written."""
    status: Literal["waiting", "done", "failed"] = "waiting"
    error: str | None = None
    """Why it could not be answered."""
    rows: int | None = None
    """Rows that were read; all of them are in the output."""
    failed: int | None = None
    """Those of them that have an error there in the place of an answer."""
    seconds: float | None = None
    sha256: str | None = None
    """Of the output, as hexadecimal digits."""
    output_bytes: int | None = None
    files: list[Name] = Field(default_factory=list)
    """The output, and what was written beside it."""
    columns: list[str] = Field(default_factory=list)
    read_columns: list[str] = Field(default_factory=list)
    device: str | None = None
    worker: str | None = None
    """Machine and process."""
    warnings: list[str] = Field(default_factory=list)


class Document(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="ignore")

    format: Literal[1]
    version: str
    """Of nlpkit."""
    command: str
    model: dict[str, str]
    """As it was given, and what tells it from others."""
    options: dict[str, Any]
    """All that decides what is answered."""
    shards: dict[Name, Entry]
    """By the output's name below the folder."""


class Manifest:
    """What is done of some shards.

    Args:
        target: the folder.
        document: what it holds.

    Attributes:
        replaced: files of an earlier batch, which --overwrite replaces.
    """

    def __init__(self, target: Target, document: Document) -> None:
        self.target, self.document = target, document
        self.replaced: list[str] = []
        self._written, self._took = 0.0, 0.0

    @classmethod
    def begun(
        cls, target: Target, command: str, model: Mapping[str, str], options: Mapping[str, Any], *, overwrite: bool
    ) -> Manifest:
        """The manifest of a folder that an earlier start has left, or a new one.

        Raises:
            UserError: the folder holds something else, or answers of another model or to other options.
        """
        now = Document(
            format=1, version=__version__, command=command, model=dict(model), options=dict(options), shards={}
        )
        content = target.read(NAME)
        if overwrite:
            manifest = cls(target, now)
            manifest.replaced = _files_named(content)
            return manifest
        if content is None:
            if target.holds_anything():
                raise UserError(
                    f"--output {target.shown} is not empty, and holds no {NAME}",
                    "Name a new folder; --overwrite writes into it and replaces what has the names of its files.",
                )
            return cls(target, now)
        try:
            before = Document.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise UserError(f"{target.shown}/{NAME} is damaged ({where}: {first['msg']})", ANEW) from None
        if any(entry.status == "done" for entry in before.shards.values()):
            _require_same(target, before, now)
        now.shards = before.shards
        return cls(target, now)

    def sorted_out(self, shards: Sequence[Shard]) -> tuple[list[Shard], list[Shard]]:
        """Take in what there is to do: shards that are not done, and those that are.

        Raises:
            UserError: the output of a shard is that of another file, or somebody else's.
        """
        left, done = [], []
        changed: list[Shard] = []
        for shard in shards:
            entry = self.document.shards.get(shard.output)
            if entry is not None and entry.status == "done" and entry.input != shard.place:
                raise UserError(
                    f"{self.target.shown}/{shard.output} has the answers to {entry.input}, not to {shard.place}", ANEW
                )
            if entry is not None and entry.status == "done" and self._is_there(entry, shard.output):
                if (entry.bytes, entry.fingerprint) == (shard.size, shard.fingerprint):
                    done.append(shard)
                    continue
                changed.append(shard)
            left.append(shard)
        if changed:
            has = counted(len(changed), "shard has", "shards have")
            reporting.current().note(f"{has} changed since answered: {places(changed)}; to be answered anew")
        new = [shard for shard in left if shard.output not in self.document.shards]
        if self.document.shards and (taken := [shard for shard in new if self.target.size(shard.output) is not None]):
            raise UserError(f"{self.target.shown}/{taken[0].output} is there, and not of this command", ANEW)
        if others := len(self.document.shards.keys() - {shard.output for shard in shards}):
            named = counted(others, "shard that --input does not name", "shards that --input does not name")
            reporting.current().note(f"{self.target.shown}/{NAME} has {named} this time; nothing is done about them")
        outputs = {shard.output for shard in shards}
        if old := [name for name in self.replaced if name not in outputs and self.target.size(name) is not None]:
            files = counted(len(old), "file of an earlier batch is", "files of an earlier batch are")
            reporting.current().note(f"--overwrite: {files} removed")
            for name in old:
                self.target.remove(name)
        for shard in left:
            before = self.document.shards.get(shard.output)
            self.document.shards[shard.output] = Entry(
                input=shard.place,
                bytes=shard.size,
                fingerprint=shard.fingerprint,
                files=before.files if before is not None else [],
            )
        return left, done

    def take(self, shard: Shard, outcome: Answered | Failed) -> None:
        """Note what became of a shard."""
        entry = Entry(input=shard.place, bytes=shard.size, fingerprint=shard.fingerprint, status="failed")
        if isinstance(outcome, Failed):
            told: dict[str, Any] = {"error": outcome.message}
            for name in {shard.output, *self.document.shards[shard.output].files}:
                self.target.remove(name)  # what the shard was answered with before it changed
        else:
            told = {"status": "done", **outcome.record()}
        self.document.shards[shard.output] = entry.model_copy(update=told)
        if time.monotonic() - self._written > max(LEAST_PAUSE, PAUSE * self._took):
            self.save()

    def save(self) -> None:
        """Write it."""
        start = time.monotonic()
        text = json.dumps(self.document.model_dump(mode="json", exclude_none=True), ensure_ascii=False, indent=1)
        self.target.write(NAME, f"{text}\n".encode())
        self._written = time.monotonic()
        self._took = self._written - start

    def entries(self, shards: Sequence[Shard]) -> list[Entry]:
        """What is known of some shards."""
        return [self.document.shards[shard.output] for shard in shards]

    def _is_there(self, entry: Entry, output: str) -> bool:
        return self.target.size(output) == entry.output_bytes


def _files_named(content: bytes | None) -> list[str]:
    """The files that an earlier manifest names; none of one that is damaged."""
    try:
        shards = Document.model_validate_json(content).shards if content is not None else {}
    except ValidationError:
        return []
    return [name for output, entry in shards.items() for name in (entry.files or [output])]


def _require_same(target: Target, before: Document, now: Document) -> None:
    """Refuse to put answers of two kinds into one folder.

    Raises:
        UserError: naming what is different.
    """
    different = [name for name in ("command", "version") if getattr(before, name) != getattr(now, name)]
    if before.model.get("fingerprint") != now.model.get("fingerprint"):
        different.append("the model")
    names = sorted(before.options.keys() | now.options.keys())
    different += [name for name in names if before.options.get(name) != now.options.get(name)]
    if different:
        named = ", ".join(f"--{name.replace('_', '-')}" if name in names else name for name in different)
        raise UserError(
            f"--output {target.shown} was begun differently: {named}",
            f"Go on with what it was begun with (it stands in {NAME}). {ANEW}",
        )
