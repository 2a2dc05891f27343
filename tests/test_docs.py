"""The guide: its Python blocks run, and the tests that it names exist."""

import re
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def _page(name):
    return (DOCS / f"{name}.md").read_text()


@pytest.mark.parametrize(
    "page", ["control", "imbalance", "regularization", "uncertainty"]
)
def test_blocks_run(page):
    blocks = re.findall(r"```python\n(.*?)```", _page(page), re.S)
    assert blocks
    namespace = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hasn't converged yet")
        for block in blocks:
            exec(compile(block, f"{page}.md", "exec"), namespace)


@pytest.mark.parametrize("page", ["promises", "differences"])
def test_named_tests_exist(page):
    """[test_file: word, word] names tests of tests/test_file.py."""
    references = re.findall(r"\[(test_\w+): ([\w, \n]+)\]", _page(page))
    assert len(references) > 20
    for file, words in references:
        text = (DOCS.parent / "tests" / f"{file}.py").read_text()
        names = re.findall(r"def (test_\w+)|^class (Test\w+)", text, re.M)
        for word in re.split(r",\s*", words):
            assert any(word in "".join(name) for name in names), (file, word)
