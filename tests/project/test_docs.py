"""The guide: its Python blocks run, and the tests that it names exist."""

import importlib.util
import re
import shutil
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


PAGES = ["control", "custom-functions", "imbalance", "regularization", "uncertainty"]


def _page(name):
    return (DOCS / f"{name}.md").read_text()


def _is_there(needed):
    """Return whether the module or program that follows "python" in a block exists."""
    return importlib.util.find_spec(needed) is not None or shutil.which(needed)


# Sections whose blocks run on pages of which not all do.
SECTIONS = [("deploy", "### Models of tables in other runtimes\n")]


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page):
    _run_blocks(page, _page(page))


@pytest.mark.parametrize(("page", "section"), SECTIONS)
def test_blocks_of_sections_run(page, section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where they write files
    text = _page(page).split(section)[1]
    _run_blocks(page, re.split(r"^#+ ", text, maxsplit=1, flags=re.M)[0])


def _run_blocks(page, text):
    """Run the blocks of Python in a text, one after the other."""
    found = re.findall(r"```python(?: (\w+))?\n(.*?)```", text, re.S)
    blocks = [block for needed, block in found if not needed or _is_there(needed)]
    assert blocks
    namespace = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hasn't converged yet")
        for block in blocks:
            exec(compile(block, f"{page}.md", "exec"), namespace)


@pytest.mark.parametrize("page", ["promises", "differences"])
def test_named_tests_exist(page):
    """[test_file: word, word] names tests of a test_file.py in a folder of tests."""
    references = re.findall(r"\[(test_\w+): ([\w, \n]+)\]", _page(page))
    assert len(references) > 20
    for file, words in references:
        found = list((DOCS.parent / "tests").glob(f"*/{file}.py"))
        text = "\n".join(path.read_text() for path in found)
        names = re.findall(r"def (test_\w+)|^class (Test\w+)", text, re.M)
        for word in re.split(r",\s*", words):
            assert any(word in "".join(name) for name in names), (file, word)
