"""The Python blocks of the guide run, page by page."""

import re
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["control", "imbalance", "uncertainty"])
def test_blocks_run(page):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.S)
    assert blocks
    namespace = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hasn't converged yet")
        for block in blocks:
            exec(compile(block, f"{page}.md", "exec"), namespace)
