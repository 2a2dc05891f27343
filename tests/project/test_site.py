"""The site: every public name is in the reference, and every page in a toctree."""

import ast
import re
from pathlib import Path

import fastmlp
import fastmlp.distributed
import fastmlp.runtime

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def listed(directive, text):
    """The entries of all directives of a name on a page."""
    blocks = re.findall(rf"{directive}.*\n((?:.*\n)*?)```", text)
    lines = "\n".join(blocks).splitlines()
    return [line.strip() for line in lines if re.fullmatch(r" *[\w./-]+", line)]


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference/index.md").read_text("utf-8")
    names = set(listed(r"\.\. autosummary::", text))
    kinds = ("MLPClassifier", "MLPRegressor")
    of_dask = {f"Dask{of}{kind}" for of in ("", "Tabular") for kind in kinds}  # extra
    assert of_dask <= names
    names -= of_dask
    expected = [n for n in fastmlp.__all__ if n != "__version__"]
    expected += [*fastmlp.runtime.__all__, *fastmlp.distributed.__all__]
    assert sorted(names) == sorted(expected)
    assert "`fastmlp.__version__`" in text


def test_every_page_is_in_one_toctree():
    found = ["index.md"]
    for page in PAGES:
        folder = (DOCS / page).parent
        for entry in listed(r"\{toctree\}", (DOCS / page).read_text("utf-8")):
            path = (folder / f"{entry}.md").relative_to(DOCS).as_posix()
            if not path.startswith("auto_"):  # made when the site is built
                found.append(path)
    assert sorted(found) == PAGES


def test_every_example_has_a_place_in_the_gallery():
    tree = ast.parse((DOCS / "conf.py").read_text("utf-8"))
    (places,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES"
    )
    files = [path.stem for path in (DOCS / "examples").glob("*.py")]
    assert sorted(files) == sorted(f"plot_{place}" for place in places)
    for file in files:
        compile((DOCS / "examples" / f"{file}.py").read_text("utf-8"), file, "exec")
