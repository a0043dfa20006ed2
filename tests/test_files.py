"""Files are whole or absent, whatever the disk does, and their names mean nothing to a shell or a page."""

import errno
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ciutils import artifacts, files
from ciutils.store import Item, Store

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "`touch x`",
    "$(touch x)",
    "a b",
    "'; rm -r x",
    "{x}",
    "../../x",
    "-rf",
    ".",
    "..",
    "a\nb",
    "猫-犬",
    "кошка",
    "",
    "x" * 300,
)
WRITERS = {
    "netcdf": lambda path: artifacts.save_dataset(xr.Dataset({"x": ("n", np.arange(1e6))}), path),
    "tensors": lambda path: artifacts.save_tensors({"x": torch.rand(1_000_000)}, path, {}),
    "torch": lambda path: files.write_atomically(path, lambda file: torch.save(torch.rand(1_000_000), file)),
    "text": lambda path: files.save_text("x" * 8_000_000, path),
}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_slug_is_a_plain_word_of_a_file_name(text):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,110}", files.slug(text))


@given(st.lists(st.text(), unique=True, min_size=2, max_size=5))
def test_different_texts_have_different_slugs(texts):
    assert len({files.slug(text) for text in texts}) == len(texts)


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._+=-]{0,50}[A-Za-z0-9])?", fullmatch=True))
def test_a_plain_text_is_its_own_slug(text):
    assert files.slug(text) == text


def test_a_leading_tilde_is_the_home_folder_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    files.save_json({"a": 1}, "~/kept/a.json")
    artifacts.save_dataset(xr.Dataset({"x": 1}), "~/kept/a.nc")
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"a.json", "a.nc"}
    assert int(artifacts.load_dataset("~/kept/a.nc")["x"]) == 1
    with pytest.raises(ValueError, match="~nobody-of-this-name/x: there is no such home folder"):
        files.expanded("~nobody-of-this-name/x")


@contextmanager
def mounted(folder, options):
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    with mounted(tmp_path / "disk", "size=1m") as disk:
        yield disk


@pytest.mark.filterwarnings("error")  # HDF5 warned of a file that it had to give up, and crashed later
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line_of_every_writer(small_disk, writer):
    (small_disk / "a").write_text("old")
    with pytest.raises(OSError, match=r"cannot write .*/a: No space left on device; free some space or name") as caught:
        WRITERS[writer](small_disk / "a")
    assert caught.value.errno == errno.ENOSPC
    assert "os error" not in str(caught.value)
    assert {path.name: path.read_text() for path in small_disk.iterdir()} == {"a": "old"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_is_full_when_it_is_flushed_is_said_to_be_so(tmp_path, monkeypatch, writer, number):
    def full(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*/a: No space left on device; free some space or name"):
        WRITERS[writer](tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["Error while serializing: I/O error: No space left on device (os error 28)"])
def test_what_a_library_says_of_a_full_disk_is_understood(tmp_path, said):
    def write(_):
        raise RuntimeError(said)

    with pytest.raises(OSError, match="No space left on device; free some space or name another folder") as caught:
        files.write_atomically(tmp_path / "a", write)
    assert "os error" not in str(caught.value)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot write .*/file/a.json: .*; make it writable or name another folder"):
        files.save_json({}, tmp_path / "file" / "a.json")


@pytest.fixture
def read_only(tmp_path):
    """A folder on a file system that is mounted read-only."""
    with mounted(tmp_path / "read-only", "ro,size=1m") as folder:
        yield folder


def store(own):
    return Store(own, Path("nowhere"))


def item(origin=lambda: {"data_sha256": "a"}):
    return Item("run", ("a.nc",), {}, ("train",), origin)


@pytest.mark.parametrize("where", [".", "runs"])
def test_a_read_only_folder_of_runs_says_what_to_set(read_only, where):
    message = (
        rf"cannot write to {read_only}.*: Read-only file system; set \$CIUTILS_RUNS to a folder that you can write"
    )
    with pytest.raises(OSError, match=message):
        store(read_only / where).folder(item(), None)


def test_a_folder_of_runs_that_is_a_file_says_what_to_set(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(OSError, match=r"cannot write to .*/runs/run: .*; set \$CIUTILS_RUNS to a folder that you can"):
        store(tmp_path / "runs").folder(item(), None)


def test_what_cannot_be_made_leaves_no_folder_behind(tmp_path):
    def origin():
        raise ValueError("no such data")

    with pytest.raises(ValueError, match="no such data"):
        store(tmp_path / "runs").folder(item(origin), None)
    assert not (tmp_path / "runs").exists()


def test_text_is_utf_8_whatever_the_locale(tmp_path):
    foreign = os.fsdecode(b"\xe4.png")  # a file's name that is not UTF-8
    files.save_text(f"猫 {foreign}", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "猫 \\udce4.png"


def test_disk_usage_is_asked_of_a_folder_that_exists(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: pytest.fail(f"{folder} is not there"))
    with pytest.raises(OSError, match="cannot write .*/new/a.json: No space left on device"):
        files.save_json({}, tmp_path / "new" / "a.json")
