"""The machine and the versions, as a report must state them."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

import fastmlp
from fastmlp._core import kernels


def usable_cores():
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def load():
    """The load averages, or None."""
    with contextlib.suppress(AttributeError, OSError):
        return os.getloadavg()
    return None


def stolen_seconds():
    """Seconds that the host took from all cores since the start, or None."""
    try:
        fields = Path("/proc/stat").read_text().split("\n")[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, AttributeError):
        return None


def machine():
    """Facts about machine and versions, in the order in which to print them."""
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    facts = {
        "CPU": _cpu(),
        "cores": f"{len(usable_cores())} usable of {os.cpu_count()}",
        "system": platform.platform(),
        "Python": sys.version.split()[0],
        "fastmlp": fastmlp.__version__,
        "instruction set": f"{kernels.isa} of {', '.join(kernels.available_isas)}",
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "BLAS": "; ".join(
            f"{pool['internal_api']} {pool['version']} "
            f"({pool.get('architecture', 'unknown')})"
            for pool in blas
        ),
    }
    averages = load()
    if averages:
        facts["load before"] = ", ".join(f"{x:.2f}" for x in averages)
    return facts


def _cpu():
    """The name of the processor."""
    with contextlib.suppress(ImportError):
        import cpuinfo

        return cpuinfo.get_cpu_info().get("brand_raw", platform.machine())
    return platform.processor() or platform.machine()
