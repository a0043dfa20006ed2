"""Run a command while a lock file is held, as flock(1) does: `python locked.py LOCK COMMAND ...`.

The command and its children hold the lock, so a second one waits even where the driver of the first was killed.
"""

import fcntl
import os
import sys


def main(arguments: list[str]) -> int:
    """Becomes the command, or returns 2 if it cannot."""
    try:
        lock, name, *_ = arguments
        handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
        os.set_inheritable(handle, True)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for the process that holds {lock}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        os.execvp(name, arguments[1:])
    except (ValueError, OSError) as error:
        print(f"error: locked.py {' '.join(arguments)}: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
