"""What is known of the pinned packages: `make audit`.

With pip-audit and its data: their known weaknesses. Without, the package index is asked which have a newer release, or
are on it no more. Without that, too, the list is all there is. The last line says which of the three it was, and of how
many packages nothing is known. Exit code 1: a weakness is known, or a release is gone.

python audit.py CONSTRAINTS [PIP-AUDIT]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SECONDS = 600
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;#]+)")


class Finding(NamedTuple):
    """What is known of a pinned package.

    Attributes:
        said: for people.
        bad: whether something has to be done.
    """

    said: str
    bad: bool = False


Findings = Mapping[str, Finding]  # by package; of those that are missing nothing is known


def pins(path: Path) -> dict[str, str]:
    """Packages of a constraints file and their versions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {found["name"]: found["version"] for line in lines if (found := PIN.match(line.strip()))}


def weaknesses(constraints: Path, program: str) -> Findings:
    """What pip-audit knows; it also ends well where it has found none of the packages."""
    command = [program, "--requirement", str(constraints), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        packages = json.loads(_said([*command, "--progress-spinner", "off"]))["dependencies"]
    except (ValueError, KeyError, TypeError):
        return {}
    found = {}
    for package in packages:
        if "vulns" in package:
            known = [f"{one['id']}, mended in {' '.join(one['fix_versions']) or 'none'}" for one in package["vulns"]]
            found[package["name"]] = Finding("; ".join(known) or "no weakness is known", bool(known))
    return found


def releases(wanted: Mapping[str, str]) -> Findings:
    """What the package index has, each package asked for by pip."""
    found = {}
    for name, version in wanted.items():
        answer = _said([sys.executable, "-m", "pip", "index", "versions", name, "--retries", "0", "--timeout", "15"])
        if listed := re.search(r"^Available versions: (.+)$", answer, re.MULTILINE):
            versions = listed[1].split(", ")
            if version not in versions:
                found[name] = Finding(f"is not on the index; the newest is {versions[0]}", bad=True)
            else:
                found[name] = Finding("the newest" if version == versions[0] else f"the newest is {versions[0]}")
        elif not found:
            return {}  # of the first one nothing: there is no index to ask, and each would be waited for
    return found


def _said(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def main(constraints: Path, program: str | None) -> int:
    """Print a line for each package, and the last one."""
    wanted = pins(constraints)
    found, how = (weaknesses(constraints, program), "pip-audit: known weaknesses") if program else ({}, "")
    if not found:
        found, how = releases(wanted), "package index: newer releases; known weaknesses were not looked for"
    if not found:
        how = "neither pip-audit's data nor a package index could be reached: this is only the list"
    for name, version in wanted.items():
        finding = found.get(name, Finding("nothing is known"))
        print(f"{'!' if finding.bad else ' '} {name} {version}: {finding.said}")
    bad = sum(finding.bad for finding in found.values())
    unknown = len(wanted.keys() - found.keys())
    print(f"{how}. {len(wanted)} packages, {bad} to do something about, {unknown} of which nothing is known")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
