"""Benchmarks under pytest: the path of their modules, and times per unit."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as for the scripts

PER_UNIT = pytest.StashKey()


@pytest.fixture
def per_unit(benchmark, request):
    """Benchmark a call and record its time per unit: per epoch, row or element."""

    def measure(function, *args, units, unit, **options):
        result = benchmark.pedantic(function, args=args, **options)
        if benchmark.stats is not None:  # None under --benchmark-disable
            scale = {"ms": 1e3, "us": 1e6, "ns": 1e9}[unit.split()[0]] / units
            stats = benchmark.stats.stats
            benchmark.extra_info[f"{unit}, median"] = stats.median * scale
            benchmark.extra_info[f"{unit}, min"] = stats.min * scale
            rows = request.config.stash.setdefault(PER_UNIT, [])
            name = request.node.name
            rows.append((name, unit, stats.median * scale, stats.min * scale))
        return result

    return measure


def pytest_terminal_summary(terminalreporter, config):
    """Print the times per unit."""
    rows = config.stash.get(PER_UNIT, [])
    if rows:
        terminalreporter.section("times per unit: median, min")
    for name, unit, median, least in rows:
        terminalreporter.write_line(f"{name:72}{median:12.3f}{least:12.3f}  {unit}")
