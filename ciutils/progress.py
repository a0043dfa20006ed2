"""Progress of long work: a bar where somebody watches, plain lines in logs and executed notebooks."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import psutil
from tqdm.auto import tqdm

_SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Counts steps of work: `with Progress(30, "training") as progress: progress.step("accuracy 0.91")`.

    total: None where nobody knows how many steps it takes.
    """

    def __init__(self, total: int | None, label: str, done: int = 0) -> None:
        self.total, self.label, self.done = total, label, done
        self.first, self.started, self.last_line = done, time.monotonic(), time.monotonic()
        self.bar = tqdm(total=total, initial=done, desc=label, delay=2) if _somebody_watches() else None

    def step(self, note: str = "") -> None:
        """One more step is done; `note` says what it gave."""
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update()
        elif time.monotonic() - self.last_line > _SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            say(", ".join(filter(None, self._told(note))))

    def _told(self, note: str) -> list[str]:
        if self.total is None:
            return [f"{self.label}: {self.done} done", note]
        left = (time.monotonic() - self.started) / (self.done - self.first) * (self.total - self.done)
        return [f"{self.label}: {self.done} of {self.total}", note, f"about {left:.0f} s left"]

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()


def say(line: str) -> None:
    """Print `line` at once; letters that the terminal or log does not know are spelt out, where print would fail."""
    letters = sys.stdout.encoding or "utf-8"
    print(line.encode(letters, "backslashreplace").decode(letters), flush=True)


def _somebody_watches() -> bool:
    if "ipykernel" not in sys.modules:
        return sys.stderr.isatty()
    # A live bar in an executed notebook is a dead widget for its readers. The kernel is papermill's child there.
    try:
        parent = " ".join(psutil.Process().parent().cmdline())
    except (psutil.Error, AttributeError):
        return False
    return not any(runner in parent for runner in ("papermill", "nbconvert", "pytest"))
