"""The slurm profile, on a real Slurm."""

import faults
import pytest
import slurm
from scratch import drive, scratch

NO_ACCOUNTING = ("--slurm-no-account", "--slurm-status-command=squeue")
IMPATIENT = ("--slurm-init-seconds-before-status-checks=1", "--seconds-between-status-checks=1")


def one_pair():
    """Ten jobs are enough to show it."""
    (entry,) = faults.SWEEP["notebooks"]
    return faults.SWEEP | {"notebooks": [entry | {"parameters": entry["parameters"] | {"pairs": ["3-8"]}}]}


@pytest.mark.slurm
@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing())
def test_a_sweep_on_slurm_leaves_what_one_process_would(tmp_path, monkeypatch):
    alone = scratch(tmp_path / "alone", one_pair())
    assert drive(alone, "sweep").returncode == 0
    folder = scratch(tmp_path / "slurm", one_pair())
    with slurm.cluster() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings = ("--config", "shards=2", "threads=1", "gpu=0")
        told = drive(folder, "sweep", *settings, *NO_ACCOUNTING, *IMPATIENT, profile="slurm")
    assert told.returncode == 0, told.stdout
    # A history, class gradients, a half side, a plane in two readings of two shards and their merging each, and the
    # notebook.
    assert told.stdout.count("has been submitted with SLURM jobid") == 3 + 2 * (2 + 1) + 1
    assert faults.contents(folder) == faults.contents(alone)
