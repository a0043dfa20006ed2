"""What a computation ran on, for records."""

from __future__ import annotations

import platform
import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def describe(device: torch.device) -> str:
    """The device's own name, for records: "NVIDIA H100 80GB HBM3", "AMD EPYC, 2 threads"."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    """The processor's own name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def peak_memory(device: torch.device) -> int:
    """Peak memory so far in bytes: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    said = status.read_text(encoding="utf-8", errors="replace") if status.exists() else ""
    if found := re.search(r"^VmHWM:\s+(\d+) kB", said, re.MULTILINE):
        return int(found[1]) * 1024
    # Some kernels and sandboxes do not say; getrusage also counts what the process that started this one had held.
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
