"""Run a command while a lock file is held, as flock(1) does: `python locked.py LOCK COMMAND ...`.

The command and its children hold the lock, so a second one waits even where the driver of the first was killed.
"""

import fcntl
import os
import sys

lock, *command = sys.argv[1:]
handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
os.set_inheritable(handle, True)
try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(f"waiting for the process that holds {lock}", file=sys.stderr, flush=True)
    fcntl.flock(handle, fcntl.LOCK_EX)
os.execvp(command[0], command)
