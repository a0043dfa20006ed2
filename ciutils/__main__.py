"""Commands for the shell and the workflow: `python -m ciutils COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ciutils import experiments, plans, storage, verification
from ciutils.experiments import Run

RUN_OPTIONS = {"dataset": str, "epochs": int, "width": float, "seed": int}
"""What a command can change of a profile's run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. What a user can get wrong ends in one line."""
    parser = argparse.ArgumentParser(prog="python -m ciutils", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_verify, _train, _ego, _sigma, _spaces):
        add(commands)
    chosen = parser.parse_args(arguments)
    try:
        return chosen.command(chosen) or 0
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _verify(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("verify", help="check published artifacts, and recompute some of their numbers")
    parser.add_argument("folder", type=Path, help="results, or the folder of one run")

    def command(chosen: argparse.Namespace) -> int:
        failures = 0
        for check in verification.verify(chosen.folder):
            print(f"{'ok    ' if check.passed else 'FAILED'} {check.what}: {check.found}", flush=True)
            failures += not check.passed
        print(f"{failures} checks failed" if failures else "all checks passed")
        return int(failures > 0)

    parser.set_defaults(command=command)


def _train(commands: argparse._SubParsersAction) -> None:
    def command(chosen: argparse.Namespace) -> None:
        run = _run(chosen)
        run.history()
        _tell(chosen.done, [run], "history.nc", "weights.safetensors", "run.json")

    _of_a_run(_add(commands, "train", "train a network of a profile", command))


def _ego(commands: argparse._SubParsersAction) -> None:
    def command(chosen: argparse.Namespace) -> None:
        run = _run(chosen)
        run.directions()
        run.ego()
        _tell(chosen.done, [run], "ego.nc", "ego.safetensors")

    _of_a_run(_add(commands, "ego", "measure the class gradients of a trained network", command))


def _sigma(commands: argparse._SubParsersAction) -> None:
    def command(chosen: argparse.Namespace) -> None:
        plan = _plan(chosen)
        for key in plan.runs:
            plan.planes(key)
        _tell(chosen.done, plan.runs.values(), "sigma-*.nc")

    _of_a_chapter(_add(commands, "sigma", "find the half sides of a chapter's planes", command))


def _spaces(commands: argparse._SubParsersAction) -> None:
    def command(chosen: argparse.Namespace) -> None:
        plan, key = _plan(chosen), (chosen.network, chosen.setup)
        if key not in plan.runs:
            known = ", ".join(map("-".join, plan.runs))
            raise ValueError(f"{'-'.join(key)} is not in this chapter: choose from {known}")
        for plane in plan.planes(key).values():
            plan.runs[key].space(**plane, shard=chosen.shard, shards=chosen.gather)
        _tell(chosen.done, [plan.runs[key]], *(["space-*.nc"] if not chosen.shard else []))

    parser = _add(commands, "spaces", "measure a chapter's planes of one network", command)
    _of_a_chapter(parser)
    _of_a_network(parser)
    parser.add_argument("--shard", type=int, nargs=2, metavar=("I", "N"), help="rows I, I + N, ... only")
    parser.add_argument("--gather", type=int, default=1, metavar="N", help="make whole spaces from N shards")


def _add(
    commands: argparse._SubParsersAction, name: str, text: str, command: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text}; what exists is loaded")
    parser.add_argument("--done", type=Path, metavar="FILE", help="write there which files exist now, with their sizes")
    parser.set_defaults(command=command)
    return parser


def _of_a_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", required=True)
    parser.add_argument("--setup", default="anneal-lr")


def _of_a_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", required=True)
    _of_a_network(parser)
    for name, kind in RUN_OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind, help="default: the profile's")


def _of_a_chapter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--parameters", type=json.loads, default={}, metavar="JSON", help="the notebook's")


def _run(chosen: argparse.Namespace) -> Run:
    changes = {name: getattr(chosen, name) for name in RUN_OPTIONS if getattr(chosen, name) is not None}
    return experiments.profile(chosen.profile).run(chosen.network, chosen.setup, **changes)


def _plan(chosen: argparse.Namespace) -> plans.Plan:
    found = plans.plan(chosen.notebook, chosen.parameters)
    if found is None or found.planes is None:
        raise ValueError(f"{chosen.notebook} has no planes of its own: execute it with papermill")
    return found


def _tell(file: Path | None, runs: Iterable[Run], *patterns: str) -> None:
    """Write which of one's own files of `runs` fit `patterns`, with their sizes: the workflow looks after them."""
    if file is None:
        return
    found = [path for run in runs for pattern in patterns for path in (run.runs / run.name).glob(pattern)]
    whole = [path for path in found if ".part-" not in path.name and ".rows." not in path.name]
    storage.save_json({str(path.resolve()): path.stat().st_size for path in whole}, file)


if __name__ == "__main__":
    sys.exit(main())
