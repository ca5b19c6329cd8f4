"""A disk that is full at every write of every command: one message, and nothing that looks finished.

The output lies on a small disk (tmpfs; as root, on Linux) with room for a little more each time, from nothing to
enough: the command is met by a full disk at each of its writes, whoever makes it, Python, safetensors or torch.

    make faults STEP=4096
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parent.parent)]

import commands  # noqa: E402  (found through the line above)
import forked  # noqa: E402

# what looks for room beforehand would see to it that nothing of this is met
PROGRAM = """
import sys
from nlpkit.runs.folder import RunFolder
RunFolder.require_space = lambda *_: None
from nlpkit.__main__ import main
sys.exit(main())
"""
SIZE = 64 * 2**20  # bytes of the disk; what a step does not leave free is taken up by a file


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small disk at a folder.

    Raises:
        PermissionError: this user cannot make one.
    """
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(place: Path, free: int) -> None:
    """Leave so many bytes free, of whole pages."""
    ballast = place / "ballast"
    ballast.unlink(missing_ok=True)
    with ballast.open("wb") as file:
        stats = os.statvfs(place)
        os.posix_fallocate(file.fileno(), 0, max(stats.f_bavail * stats.f_frsize - free, 1))


def run(arguments: list[str], cache: Path) -> tuple[int, str]:
    """`nlpkit ARGUMENTS` in a process of its own: exit code, and what it said on standard error."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = forked.run(command, cwd=HERE.parent.parent, env={**os.environ, "NLPKIT_CACHE": str(cache)})
    return done.returncode, done.stderr


def looks_wrong(case: commands.Case, output: Path, code: int, errors: str) -> str | None:
    """What is wrong with how a command ended on a full disk; None if nothing."""
    if code == 0:
        return None if case.whole(output) else "exit code 0, and the result is not whole"
    said = [line for line in errors.splitlines() if line.startswith("nlpkit: ")]
    if code != 1 or len(said) != 1 or "Traceback" in errors:
        return f"exit code {code}, {len(said)} messages: {errors[-400:]}"
    if "the disk is full" not in said[0] and "No space left" not in said[0]:
        return f"the message does not tell of the disk: {said[0]}"
    if str(output) not in errors:
        return f"the message does not tell of the file: {said[0]}"
    if case.output:
        left = [path.name for path in output.parent.iterdir() if path.name != "ballast"]
        return f"left behind: {left}" if left else None
    if (output / ".lock").exists() or (output / ".partial").exists():
        return f"left behind: {sorted(path.name for path in output.iterdir())}"
    if case.whole(output) or any(output.glob("*.safetensors")):
        return "it failed, and the folder looks finished"
    saved = [*output.glob("checkpoints/checkpoint-*/trainer_state.json"), *output.glob("measurements.jsonl")]
    resumable = bool(saved)
    advised = "--resume" in errors
    if resumable != advised:
        return f"{'there is' if resumable else 'there is not'} what to go on from, but the advice: {errors[-300:]}"
    return None


def sweep(case: commands.Case, place: Path, free: Iterator[int]) -> tuple[collections.Counter[str], list[str]]:
    """Run a command with more and more room; how it ended, and what was wrong."""
    ends: collections.Counter[str] = collections.Counter()
    wrong = []
    for room in free:
        output = place / f"run{case.output}"
        if case.before:
            fill(place, SIZE // 2)
            run([*case.before, "--output", str(output)], place.parent / "cache")
        fill(place, room)
        code, errors = run(case.command(output), place.parent / "cache")
        ends["whole" if code == 0 else "full"] += 1
        if problem := looks_wrong(case, output, code, errors):
            wrong.append(f"{room:,} bytes free: {problem}")
        subprocess.run(["rm", "-rf", str(output)], check=True)
        if code == 0:
            break
    return ends, wrong


def rooms(name: str, step: int) -> Iterator[int]:
    """From nothing to the whole disk; a page at a time where a command writes little."""
    yield from range(0, SIZE // 2, step if name in commands.TRAINS else min(step, 4_096))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=4_096, help="bytes that are free more each time, where it trains")
    parser.add_argument("--only", choices=commands.NAMES, action="append", help="this command (repeatable)")
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    begun, faults, failures = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as name, disk(Path(name) / "disk") as place:
        wanted = options.only or commands.NAMES
        for command, case in commands.make(Path(name) / "made", lambda name: name in wanted).items():
            ends, wrong = sweep(case, place, rooms(command, options.step))
            faults += ends.total() - ends["whole"]
            failures += len(wrong)
            print(f"{command}: {', '.join(f'{count} {end}' for end, count in ends.items())}", flush=True)
            for problem in wrong:
                print(f"    {problem}", flush=True)
    print(f"{faults} full disks, {options.step} bytes apart: {failures} failures, {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
