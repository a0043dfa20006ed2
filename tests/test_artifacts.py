import errno
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr

from ciutils import artifacts, files
from ciutils.counts import from_predictions


@pytest.fixture
def dataset():
    return xr.Dataset(
        {"counts": (("epoch", "true"), np.arange(6).reshape(2, 3)), "loss": ("epoch", [0.5, np.nan])},
        coords={"true": ["a", "b", "c"], "epoch": [1, 2]},
        attrs={"kind": "history"},
    )


def test_dataset_comes_back_equal_with_nan_and_names(dataset, tmp_path):
    artifacts.save_dataset(dataset, tmp_path / "a.nc")
    xr.testing.assert_identical(artifacts.load_dataset(tmp_path / "a.nc"), dataset)


def test_what_is_read_once_is_the_callers_and_read_again_when_the_file_is_another(dataset, tmp_path):
    artifacts.save_dataset(dataset, tmp_path / "a.nc")
    artifacts.read_once(tmp_path / "a.nc")["counts"].values[:] = 9
    xr.testing.assert_identical(artifacts.read_once(tmp_path / "a.nc"), dataset)
    artifacts.save_dataset(dataset + 1, tmp_path / "a.nc")
    xr.testing.assert_identical(artifacts.read_once(tmp_path / "a.nc"), dataset + 1)
    with pytest.raises(FileNotFoundError, match="no artifact at"):
        artifacts.read_once(tmp_path / "b.nc")


def test_weights_come_back_equal_whatever_their_layout(tmp_path):
    weights = {
        "conv": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        "steps": torch.tensor(7),
        "half": torch.randn(3).bfloat16(),
    }
    artifacts.save_tensors(weights, tmp_path / "w.safetensors", {"of": "x"})
    back, metadata = artifacts.load_tensors(tmp_path / "w.safetensors")
    assert metadata == {"of": "x"}
    assert all(torch.equal(back[name], weights[name]) for name in weights)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_dataset_is_refused_named_and_kept(dataset, tmp_path, share):
    path = tmp_path / "a.nc"
    artifacts.save_dataset(dataset, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match="a.nc is damaged or was not written by ciutils"):
        artifacts.load_dataset(path)
    assert path.exists()


def test_changed_value_and_foreign_file_are_refused(dataset, tmp_path):
    dataset.to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="do not match its digest"):
        artifacts.load_dataset(tmp_path / "foreign.nc")
    artifacts.save_dataset(dataset, tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as stored:
        changed = stored.load()
    changed["loss"][0] = 0.25
    changed.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="do not match its digest"):
        artifacts.load_dataset(tmp_path / "b.nc")


def test_truncated_weights_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    artifacts.save_tensors({"a": torch.ones(100)}, path, {})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="w.safetensors is damaged"):
        artifacts.load_tensors(path)


def test_missing_artifact_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no artifact at .*none.nc"):
        artifacts.load_dataset(tmp_path / "none.nc")


def test_full_disk_leaves_the_old_file_and_no_rest(tmp_path):
    files.save_json({"old": 1}, tmp_path / "run.json")
    before = (tmp_path / "run.json").read_bytes()

    def full(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"cannot write .*run.json: No space left on device; free some space") as caught:
        files.write_atomically(tmp_path / "run.json", full)
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "run.json").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_killed_writer_leaves_the_old_file(tmp_path):
    files.save_json({"old": 1}, tmp_path / "run.json")
    killed = (
        "import os, signal, sys; from pathlib import Path; from ciutils import files\n"
        "files.write_atomically(Path(sys.argv[1]),"
        " lambda file: (file.write_text('half'), os.kill(os.getpid(), signal.SIGKILL)))"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path / "run.json")], check=False)
    assert done.returncode == -9
    assert (tmp_path / "run.json").read_text() == '{\n  "old": 1\n}\n'


@pytest.mark.parametrize(
    ("free", "kind", "message"), [(0, OSError, "No space left on device; free some"), (1 << 30, RuntimeError, "odd")]
)
def test_a_full_disk_is_called_so_whatever_the_writer_raises(tmp_path, monkeypatch, free, kind, message):
    """torch.save raises RuntimeError on a full disk."""

    def fail(_):
        raise RuntimeError("odd")

    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 31, 0, free))
    with pytest.raises(kind, match=message):
        files.write_atomically(tmp_path / "a.nc", fail)
    assert list(tmp_path.iterdir()) == []


def test_counts_are_saved_as_the_dataset_that_holds_them(tmp_path):
    counts = from_predictions([0, 1, 1], [0, 0, 1], ("a", "b"))
    artifacts.save_dataset(counts, f"{tmp_path}/counts.nc")
    xr.testing.assert_identical(artifacts.load_dataset(f"{tmp_path}/counts.nc")["counts"], counts)
