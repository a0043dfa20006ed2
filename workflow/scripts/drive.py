"""Run Snakemake quietly: a line for each step begun and ended, and now and then for how far a notebook is; errors in
full, all else in a log file that is named.

python workflow/scripts/drive.py [Snakemake's arguments]
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LOG = Path(".snakemake/driver.log")
STEP = re.compile(r"^(?:local)?rule (\w+):$")
JOB, ENDED = re.compile(r"^    jobid: (\d+)$"), re.compile(r"^Finished jobid: (\d+) ")
NAMED = re.compile(r"^    (?:wildcards: .*?(?:name|job|run)=([^,]+)|output: ([^\s,]+))")
REASON = re.compile(r"^    reason: (.*)$")
TOTAL = re.compile(r"^total\s+(\d+)$")
TROUBLE = re.compile(
    r"^(Error in |\w*(Error|Exception)\b|([\w.]+: )?error:|Traceback|.*: not a whole notebook"
    r"|\d+ of \d+ runs have no result)"
)
STEPS = ("begin  ", "end    ")
PROGRESS = re.compile(r"^.+: \d+ (of \d+, .* s left|done\b.*)$")  # as ciutils/progress.py writes it


def told(lines: Iterator[str]) -> Iterator[str]:
    """What a person wants to read of Snakemake's `lines`, as they come."""
    rule, name, total, done, start = "", "", "?", 0, time.monotonic()
    began: dict[str, tuple[str, float]] = {}
    trouble = False
    for line in lines:
        if found := TOTAL.match(line):
            total = found[1]
        elif found := STEP.match(line):
            rule, name, trouble = found[1], "", False
        elif found := NAMED.match(line):
            name = found[1] or name or found[2]
        elif (found := JOB.match(line)) and not trouble:
            began[found[1]] = (f"{rule} {name}".strip(), time.monotonic())
            yield f"{STEPS[0]}{began[found[1]][0]}"
        elif found := ENDED.match(line):
            done += 1
            what, since = began.pop(found[1], ("a step", time.monotonic()))
            now = time.monotonic()
            rest = f", about {(now - start) / done * (int(total) - done):.0f} s left" if total.isdigit() else ""
            yield f"{STEPS[1]}{what}, {done} of {total}, {now - since:.0f} s{rest}"
        elif line.startswith(("Nothing to be done", "waiting for the process")) or PROGRESS.match(line):
            yield line
        elif TROUBLE.match(line):
            trouble = True
        elif re.match(r"^(\[|Select jobs|Shutting down|Complete log)", line):
            trouble = False
        if trouble:
            yield line


def planned(lines: Iterator[str]) -> Iterator[str]:
    """Of a dry run's `lines` one for each step that would be done, with why, and what is wrong."""
    rule, name, count = "", "", 0
    for line in lines:
        if found := STEP.match(line):
            rule, name = found[1], ""
        elif found := NAMED.match(line):
            name = found[1] or name or found[2]
        elif found := REASON.match(line):
            why = found[1].partition("Input files updated by another job")[0].strip("; ") or "after other steps"
        elif rule and not line.startswith(" "):  # its block has ended
            count += 1
            yield f"{rule} {name}".strip() + f": {why}"
            rule = ""
        if TROUBLE.match(line) or line.startswith("Nothing to be done"):
            yield line
    if count:
        yield f"{count} steps would be done"


def main(arguments: list[str]) -> int:
    """Snakemake's exit status."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    spoken = os.environ | {"PYTHONUTF8": "1"}  # Snakemake's logs fail on names that the locale does not know
    if "--dry-run" in arguments or "-n" in arguments:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=spoken)
        for line in planned(iter(done.stdout.decode(errors="replace").splitlines())):
            print(line, file=sys.stderr if TROUBLE.match(line) else sys.stdout)
        return done.returncode
    try:
        LOG.parent.mkdir(exist_ok=True)
        log = LOG.open("wb", buffering=0)
    except OSError as error:
        print(
            f"error: cannot write {LOG.resolve()}: {error.strerror}; use a clone that you can write to", file=sys.stderr
        )
        return 2
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=spoken) as run, log:

        def copied() -> Iterator[str]:
            for line in run.stdout:
                with suppress(OSError):  # where the disk is full, the terminal still tells
                    log.write(line)
                yield line.decode(errors="replace").rstrip("\n")

        signal.signal(signal.SIGTERM, lambda number, _: run.send_signal(number))
        try:
            for line in told(copied()):
                said = line.startswith((*STEPS, "Nothing")) or PROGRESS.match(line)
                print(line, flush=True, file=sys.stdout if said else sys.stderr)
        except KeyboardInterrupt:  # Snakemake was told too, and ends its jobs
            log.write(run.stdout.read())
    print(f"whole log: {LOG}")
    return run.returncode


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that does not know all letters
    sys.exit(main(sys.argv[1:]))
