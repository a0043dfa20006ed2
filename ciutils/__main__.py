"""Commands for the shell and the workflow: `python -m ciutils train --profile digits --network resnet18`.

Each loads what exists and computes what does not, in the folders that `experiments.Run` names.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ciutils import experiments, plans, storage
from ciutils.experiments import Run


def main(words: list[str] | None = None) -> int:
    """Run one command; a mistake of the user's is one line and the exit status 1."""
    given = parser().parse_args(words)
    try:
        given.command(given)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    made = argparse.ArgumentParser("python -m ciutils", description=__doc__.splitlines()[0])
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for command in (train, ego):
        added = _add(commands, command)
        added.add_argument("--profile", required=True)
        for name, kind in RUN_OPTIONS.items():
            added.add_argument(f"--{name}", type=kind, help="default: the profile's")
    for command in (sigma, spaces):
        added = _add(commands, command)
        added.add_argument("notebook", type=Path)
        added.add_argument("--parameters", type=json.loads, default={}, metavar="JSON", help="the notebook's")
    added.add_argument("--shard", type=int, nargs=2, metavar=("I", "N"), help="rows I, I + N, ... only")
    added.add_argument("--gather", type=int, default=1, metavar="N", help="make whole spaces from N shards")
    for command in (train, ego, spaces):
        commands.choices[command.__name__].add_argument("--network", required=True)
        commands.choices[command.__name__].add_argument("--setup", default="anneal-lr")
    return made


RUN_OPTIONS = {"dataset": str, "epochs": int, "width": float, "seed": int}
"""What a command can change of a profile's run."""


def train(given: argparse.Namespace) -> None:
    """train a network"""
    run = _run(given)
    run.history()
    _tell(given.done, [run], "history.nc", "weights.safetensors", "run.json")


def ego(given: argparse.Namespace) -> None:
    """measure the class gradients of a trained network"""
    run = _run(given)
    run.directions()
    run.ego()
    _tell(given.done, [run], "ego.nc", "ego.safetensors")


def sigma(given: argparse.Namespace) -> None:
    """find the half sides of a chapter's planes"""
    plan = _plan(given)
    for key in plan.runs:
        plan.planes(key)
    _tell(given.done, plan.runs.values(), "sigma-*.nc")


def spaces(given: argparse.Namespace) -> None:
    """measure a chapter's planes of one network"""
    plan, key = _plan(given), (given.network, given.setup)
    if key not in plan.runs:
        raise ValueError(f"{'-'.join(key)} is not in this chapter: choose from {', '.join(map('-'.join, plan.runs))}")
    for plane in plan.planes(key):
        plan.runs[key].space(**plane, shard=given.shard, shards=given.gather)
    _tell(given.done, [plan.runs[key]], *(["space-*.nc"] if not given.shard else []))


def _add(commands: argparse._SubParsersAction, command: object) -> argparse.ArgumentParser:
    added = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
    added.set_defaults(command=command)
    added.add_argument("--done", type=Path, metavar="FILE", help="write there which files were made, and their sizes")
    return added


def _run(given: argparse.Namespace) -> Run:
    changes = {name: getattr(given, name) for name in RUN_OPTIONS if getattr(given, name) is not None}
    return experiments.profile(given.profile).run(given.network, given.setup, **changes)


def _plan(given: argparse.Namespace) -> plans.Plan:
    found = plans.plan(given.notebook, given.parameters)
    if found is None or found.planes is None:
        raise ValueError(f"{given.notebook} has no planes of its own: execute it with papermill")
    return found


def _tell(file: Path | None, runs: list[Run], *patterns: str) -> None:
    """Write which of one's own files of `runs` fit `patterns`, with their sizes: the workflow looks after them."""
    if file is None:
        return
    found = [path for run in runs for pattern in patterns for path in (run.runs / run.name).glob(pattern)]
    whole = [path for path in found if ".part-" not in path.name and ".rows." not in path.name]
    storage.save_json({str(path.resolve()): path.stat().st_size for path in whole}, file)


if __name__ == "__main__":
    sys.exit(main())
