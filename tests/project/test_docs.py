"""The pages: their Python blocks run as they are, and what they name exists."""

import importlib
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from fastmlp._utils.site import SITE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
BLOCK = re.compile(r"^( *)```python(?: (\w+))?\n(.*?)^ *```", re.S | re.M)
WITH_BLOCKS = [p for p in PAGES if BLOCK.search(p.read_text(encoding="utf-8"))]


def _name(page):
    return page.relative_to(ROOT).as_posix()


def _is_there(needed):
    """Return whether the module or program that follows "python" in a block exists."""
    return importlib.util.find_spec(needed) is not None or shutil.which(needed)


def _blocks(page):
    """The blocks of Python on a page that this machine can run."""
    text = page.read_text(encoding="utf-8")
    for indent, needed, block in BLOCK.findall(text):
        if not needed or _is_there(needed):
            yield re.sub(rf"^{indent}", "", block, flags=re.M)


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=_name)
def test_blocks_run(page, tmp_path, monkeypatch):
    """One after the other, in an empty folder; a warning is an error."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block in _blocks(page):
        exec(compile(block, _name(page), "exec"), namespace)


@pytest.mark.parametrize("page", ["promises", "differences"])
def test_named_tests_exist(page):
    """[test_file: word, word] names tests of a test_file.py in a folder of tests."""
    text = (DOCS / "promises" / f"{page}.md").read_text(encoding="utf-8")
    references = re.findall(r"\[(test_\w+): ([\w, \n]+)\]", text)
    assert len(references) > 20
    for file, words in references:
        found = list((ROOT / "tests").glob(f"*/{file}.py"))
        text = "\n".join(path.read_text() for path in found)
        names = re.findall(r"def (test_\w+)|^class (Test\w+)", text, re.M)
        for word in re.split(r",\s*", words):
            assert any(word in "".join(name) for name in names), (file, word)


def test_links_of_the_readme_exist_on_the_site():
    """They are absolute, since the README is shown on package indexes too."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [url for url in re.findall(r"\]\(([^)]+)\)", text) if "://" not in url]
    paths = re.findall(rf"(?:\]\(|^\[\d\]: ){SITE}/([^)\s]+)", text, re.M)
    made = ("auto_examples/index.html", "auto_lecture/index.html")
    for path in set(paths).difference(made):
        assert (DOCS / path.replace(".html", ".md")).is_file(), path
    assert len(paths) > 10


def test_the_picture_of_speed_has_every_cell_of_its_table(monkeypatch):
    """bench/speed.py reads the table of the page that quotes `python bench`."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    rows_of_page = importlib.import_module("speed").rows_of_page
    rows, rivals = rows_of_page((DOCS / "user_guide/speed.md").read_text("utf-8"))
    assert rivals == ["scikit-learn", "PyTorch", "JAX"] and len(rows) == 28
    ratios = {"scikit-learn": 5.5, "PyTorch": 5.9, "JAX": 1.6}
    assert rows[0].dtype == "float32" and rows[0].ratios == ratios
