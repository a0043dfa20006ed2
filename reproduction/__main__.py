"""Commands for the shell and the workflow: `python -m reproduction COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ciutils import checks, files, progress

# What a command needs beyond this it imports itself: that takes seconds, and what is refused does without.

SIGNS = {True: "ok    ", False: "FAILED", None: "left  "}
"""Of a check that passed, failed, or was left out."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. What a user can get wrong, or lacks, ends in one line."""
    parser = _Parser(prog="python -m reproduction", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_verify, _make, _humans, _page):
        add(commands)
    try:
        chosen = parser.parse_args(arguments)
        return chosen.command(chosen) or 0
    except (ValueError, OSError) as error:
        told = " ".join(str(error).split())
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        told = f"there is no {name} here, which this command takes: `make install` installs all that it needs"
    print(f"error: {told}", file=sys.stderr)
    return 2


def _verify(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("verify", help="check published artifacts, and recompute some of their numbers")
    parser.add_argument("folder", help="results, or the folder of one run")

    def command(chosen: argparse.Namespace) -> int:
        from reproduction import verification

        failures = 0
        for check in verification.verify(files.expanded(chosen.folder)):
            progress.say(f"{SIGNS[check.passed]} {check.what}: {check.found}")
            failures += check.passed is False
        print(f"{failures} checks failed" if failures else "all checks passed")
        return int(failures > 0)

    parser.set_defaults(command=command)


def _make(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("make", help="make one artifact that a chapter wants, or all; what exists is loaded")
    parser.add_argument("chapter", help="the name of its notebook")
    parser.add_argument("--parameters", type=_json_object, default={}, metavar="JSON", help="the notebook's")
    parser.add_argument("--want", type=int, metavar="K", help="the K-th of its list alone, counted from 0")
    parser.add_argument("--shard", type=int, nargs=2, metavar=("I", "N"), help="of a space, rows I, I + N, ... only")
    parser.add_argument("--shards", type=int, metavar="N", help="make a whole space from N shards")

    def command(chosen: argparse.Namespace) -> None:
        from reproduction import chapters
        from reproduction.results import Results

        listed = chapters.wants(chosen.chapter, chosen.parameters)
        if not listed:
            raise ValueError(f"{chosen.chapter} wants nothing that could be made beforehand: execute it with papermill")
        if chosen.want is not None:
            if checks.whole(chosen.want, "want", at_least=0) >= len(listed):
                raise ValueError(f"{chosen.chapter} has no want {chosen.want}: it has {len(listed)}, counted from 0")
            listed = [listed[chosen.want]]
        results, sharing = Results(), _sharing(chosen)
        if sharing and not any(want.step == "space" for want in listed):
            raise ValueError(f"want {chosen.want} of {chosen.chapter} is a {listed[0].step}: planes alone have shards")
        for want in listed:
            want.check(results)
        for want in listed:
            want.get(results, **(sharing if want.step == "space" else {}))

    parser.set_defaults(command=command)


def _sharing(chosen: argparse.Namespace) -> dict[str, object]:
    """What `Results.space` is told of shards."""
    if chosen.shard:
        return {"shard": checks.shard(chosen.shard)}
    return {} if chosen.shards is None else {"shards": checks.whole(chosen.shards, "shards")}


def _repeated(pairs: Sequence[Sequence]) -> str:
    """The first name that is given two values, of which a dict would keep the last; "" if there is none."""
    names = [name for name, _ in pairs]
    return next((name for name in names if names.count(name) > 1), "")


def _json_object(text: str) -> dict[str, object]:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if name := _repeated(pairs):
            raise argparse.ArgumentTypeError(f"{text!r}: {name} is given twice; give it once")
        return dict(pairs)

    try:
        given = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object, such as '{{\"seed\": 1}}'")
    return given


def _humans(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("humans", help="sum what humans call CIFAR-10's images over classes, to be published")
    parser.add_argument(
        "folder", type=Path, help="holds CIFAR-10H's counts, the labels of its rows, and CIFAR-10N's sums"
    )

    def command(chosen: argparse.Namespace) -> None:
        from reproduction import humans, runs
        from reproduction.results import Results

        print(humans.make(chosen.folder, runs.profile("laptop").run("vgg19"), Results()))

    parser.set_defaults(command=command)


def _page(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("page", help="execute a notebook into one HTML file that can be sent")
    parser.add_argument("notebook", help="its name, such as your_network")
    parser.add_argument("file", type=Path, help="such as mine.html")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter of it")

    def command(chosen: argparse.Namespace) -> None:
        from reproduction import parameters, ranges
        from reproduction.results import NOTEBOOKS

        path, file, given = parameters.notebook(NOTEBOOKS, chosen.notebook), files.expanded(chosen.file), dict(chosen.p)
        if name := _repeated(chosen.p):
            raise ValueError(f"parameter {name} is given twice; give it once")
        if file.is_dir() or not os.access(file.parent, os.W_OK):
            raise ValueError(f"{file} cannot be written: name a file in a folder that you can write to")
        ranges.check(parameters.verify(given, parameters.declared(parameters.of_notebook(path))))

        from reproduction import page

        page.write(path, given, file)

    parser.set_defaults(command=command)


if __name__ == "__main__":
    sys.exit(main())
