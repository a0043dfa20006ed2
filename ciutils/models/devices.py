"""Which device, which precision and which layout of memory a computation uses."""

from __future__ import annotations

import ctypes
import platform
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from ciutils import checks, choices, machine

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters in malloc.h


def resolve_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" is a CUDA GPU where there is one, else the CPU.

    Raises ValueError for an unknown name, when a GPU is asked for and none is there, and under another default device.
    """
    if (default := torch.get_default_device()).type != "cpu":
        raise ValueError(f"torch's default device is {default}: set it back to 'cpu', and give device=")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checks.one_of(str(name).split(":")[0], ("auto", "cpu", "cuda"), "device")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: give 'auto', 'cpu', 'cuda' or 'cuda:N'") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: no CUDA GPU is usable on this machine; use 'auto' or 'cpu'")
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16"; "auto" is bf16 where the hardware multiplies bf16 matrices faster than float32 ones."""
    checks.one_of(name, choices.PRECISIONS, "precision")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    # Intel's AVX-512 multiplies bf16 at 0.6 of the speed of float32 (measured); AMD's at twice that speed.
    fast_avx512 = capabilities.get("avx512_bf16") and "Intel" not in machine.processor()
    return "bf16" if capabilities.get("amx_bf16") or fast_avx512 else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Context in which a network computes in `precision` (weights stay float32)."""
    use_bf16 = resolve_precision(precision, device) == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=use_bf16)


def convolutions(device: torch.device) -> AbstractContextManager:
    """Context in which a GPU computes float32 convolutions as float32, and by the algorithm that it finds fastest.

    Left to itself cuDNN rounds their inputs to TF32's 10 bits, and takes the algorithm that it expects to be fast.
    """
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)


def memory_format(model: nn.Module, device: torch.device) -> torch.memory_format:
    """The layout of weights and images for training: channels-last, the faster one, wherever it is safe.

    On CPUs the weight gradient of a strided 1x1 convolution of fewer than 16 channels, channels-last, writes past its
    buffer (oneDNN issue 6035): wrong gradients or a crash. Networks with such a layer keep the contiguous layout.
    """
    unsafe = any(
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels // layer.groups < 16
        for layer in model.modules()
    )
    return torch.contiguous_format if unsafe and device.type == "cpu" else torch.channels_last


def keep_freed_memory() -> None:
    """Make the C library keep freed memory for the next batch instead of returning it to the system (Linux only).

    Activations of a few MiB would else be mapped and zeroed anew in every batch: a fifth of the time on two cores.
    """
    if platform.system() == "Linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # 32 MiB is the most that glibc takes
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
