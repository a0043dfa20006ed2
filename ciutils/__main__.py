"""Commands for the shell: `python -m ciutils COMMAND --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ciutils import verification


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. What a user can get wrong ends in one line."""
    parser = argparse.ArgumentParser(prog="python -m ciutils", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _verify(commands)
    chosen = parser.parse_args(arguments)
    try:
        return chosen.command(chosen)
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


if __name__ == "__main__":
    sys.exit(main())
