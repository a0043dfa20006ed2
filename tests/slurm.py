"""A real Slurm on this machine, for tests: munged, slurmctld and slurmd of one node, in a folder of their own.

    with slurm.cluster() as environment: ...

Everything is stopped at the end. Debian and Ubuntu have it as `apt-get install slurm-wlm munge`.
    python tests/slurm.py COMMAND ...    runs a command with such a cluster
"""

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")

SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={worker}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=3600
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100000
PartitionName=all Nodes={host} Default=YES State=UP
"""


def missing():
    """What a cluster needs and this machine lacks, and how to get it; empty if it lacks nothing."""
    absent = [name for name in PROGRAMS if not _where(name)]
    return f"no {', '.join(absent)} here: apt-get install slurm-wlm munge" if absent else ""


@contextlib.contextmanager
def cluster():
    """Start the daemons; yields the variables with which sbatch and squeue find them."""
    # Not where TMPDIR says: the path of a socket has 108 characters at most.
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as place:
        yield from _cluster(Path(place).resolve())


def _cluster(folder):
    for name in ("bin", "state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    settings = SETTINGS.format(
        host=socket.gethostname().split(".")[0],
        user=getpass.getuser(),
        folder=folder,
        cpus=os.cpu_count(),
        controller=_free_port(),
        worker=_free_port(),
    )
    (folder / "slurm.conf").write_text(settings)
    # The executor clears Slurm's variables inside a job, so srun there is told of the cluster by a script of its name.
    wrapper = folder / "bin" / "srun"
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_where("srun")} "$@"\n')
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
    of_munge = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "log", "pid", "seed")]
    commands = [
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *of_munge],
        ["slurmctld", "-D", "-i"],
        ["slurmd", "-D"],
    ]
    with contextlib.ExitStack() as running:
        for name, *options in commands:
            running.enter_context(_daemon([_where(name), *options], environment, folder / f"{name}.out"))
            if name == "munged":
                _until(lambda: (folder / "munge.socket").exists(), "munged does not answer", folder)
        _until(lambda: "idle" in _said(["sinfo", "-h", "-o", "%T"], environment), "the node does not come up", folder)
        try:
            yield environment
        finally:
            _said(["scancel", "--user", getpass.getuser()], environment)
            _until(lambda: not _said(["squeue", "-h"], environment).strip(), "jobs do not end", folder)


@contextlib.contextmanager
def _daemon(command, environment, log):
    with log.open("w") as output:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _where(name):
    """Daemons are in sbin, which a user's PATH may lack."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _said(command, environment):
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    return done.stdout


def _until(true, otherwise, folder, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            logs = "\n".join(f"{log.name}: {log.read_text()[-500:]}" for log in folder.glob("*.log"))
            raise RuntimeError(f"{otherwise}\n{logs}")
        time.sleep(0.2)


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    if missing():
        sys.exit(missing())
    with cluster() as variables:
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | variables, check=False).returncode)
