import os
import resource
import subprocess
import sys

import pytest
import torch
from torch import nn

from ciutils import machine, models
from ciutils.models import devices

CPU = torch.device("cpu")
BAD = [(name, f"device '{name}': give 'auto', 'cpu', 'cuda' or 'cuda:N'") for name in ("cpu:x", "cuda:", "cpu:-1")]


def test_auto_device_is_usable():
    torch.zeros(1, device=devices.resolve_device("auto"))


@pytest.mark.parametrize(
    ("name", "message"), [("tpu", "unknown device 'tpu'"), ("cuda", "no CUDA GPU is usable"), *BAD]
)
def test_unusable_device_is_one_line(name, message):
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match=message) as error:
        devices.resolve_device(name)
    assert "\n" not in str(error.value)


def test_precision_is_computed_as_named():
    linear = nn.Linear(2, 2)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with devices.autocast(CPU, precision):
            assert linear(torch.zeros(1, 2)).dtype == dtype


def test_unknown_precision_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'fp32'"):
        devices.resolve_precision("fp23", CPU)


@pytest.mark.parametrize(
    ("processor", "instructions", "precision"),
    [
        ("AMD EPYC", {"avx512_bf16"}, "bf16"),
        ("Intel(R) Xeon(R) Processor", {"avx512_bf16"}, "fp32"),
        ("Intel(R) Xeon(R) Processor", {"avx512_bf16", "amx_bf16"}, "bf16"),
        ("AMD EPYC", set(), "fp32"),
    ],
)
def test_auto_precision_is_the_faster_one(monkeypatch, processor, instructions, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True))
    monkeypatch.setattr(devices.machine, "processor", lambda: processor)
    assert devices.resolve_precision("auto", CPU) == precision


def test_a_gpus_float32_is_not_tf32():
    cudnn = torch.backends.cudnn
    outside = cudnn.allow_tf32, cudnn.benchmark
    with devices.convolutions(torch.device("cuda")):
        assert (cudnn.allow_tf32, cudnn.benchmark) == (False, True)
    assert (cudnn.allow_tf32, cudnn.benchmark) == outside
    with devices.convolutions(CPU):
        assert (cudnn.allow_tf32, cudnn.benchmark) == outside


def test_layout_avoids_the_strided_1x1_convolution_that_corrupts_memory():
    assert devices.memory_format(models.build("resnet18", 10, 3, 0.25), CPU) == torch.channels_last
    assert devices.memory_format(models.build("resnet18", 10, 3, 0.125), CPU) == torch.contiguous_format
    assert devices.memory_format(models.build("resnet18", 10, 3, 0.125), torch.device("cuda")) == torch.channels_last
    assert devices.memory_format(nn.Conv2d(64, 64, 1, stride=2, groups=8), CPU) == torch.contiguous_format
    assert devices.memory_format(nn.Conv2d(8, 64, 1), CPU) == torch.channels_last


def test_training_a_narrow_resnet_survives():
    """Memory corruption shows as a crash, so it happens in a process of its own."""
    code = """
import torch
from ciutils import data, models, train
split = data.Split(torch.randint(256, (60, 3, 32, 32), dtype=torch.uint8), torch.arange(60) % 3, tuple("abc"),
                       (0.5,) * 3, (0.25,) * 3)
data = data.ImageData("noise", split, split)
torch.set_num_threads(2)
train.train(models.build("resnet18", 3, 3, 0.125), data, "small-lr", epochs=3, batch_size=5, device="cpu")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_peak_memory_is_this_processs_own():
    """A process started by a large one has not itself been large."""
    ballast = torch.ones(100_000_000)
    code = "import torch; from ciutils import machine; print(machine.peak_memory(torch.device('cpu')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert machine.peak_memory(CPU) > ballast.nbytes
    assert int(done.stdout) < machine.peak_memory(CPU) - ballast.nbytes / 2


@pytest.mark.parametrize("said", ["Name:\tpython\nVmRSS:\t 5 kB\n", "Name:\tVmHWM: 7 kB\n", ""])
def test_peak_memory_where_the_kernel_does_not_tell_it(monkeypatch, said):
    """Sandboxes such as gVisor have a /proc/self/status without VmHWM."""
    monkeypatch.setattr(machine.Path, "read_text", lambda *_, **__: said)
    assert machine.peak_memory(CPU) == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_progress_is_told_in_a_log_that_knows_no_letter_of_it():
    code = "from ciutils import progress; progress.say('space \\u732b-\\u72ac: 3 of 9')"
    spoken = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | spoken)
    assert done.stdout == b"space \\u732b-\\u72ac: 3 of 9\n"
