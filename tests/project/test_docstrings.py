"""The docstrings of the estimators: written from one text, and read by all tools."""

import ast
import doctest
import importlib.util
import inspect
import pydoc
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jedi
import pytest
from sklearn.base import is_classifier
from sklearn.utils import estimator_html_repr

import fastmlp
from fastmlp import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from fastmlp._utils.site import SITE

DOCS = Path(__file__).parents[2] / "docs"
KINDS = [MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor]
GROUPS = {
    "parameters": (
        "Network",
        "Loss",
        "Optimisation",
        "Stopping",
        "Regularisation",
        "Data",
    ),
    "parameters_tabular": (
        "Table",
        "Loss",
        "Network",
        "Training",
        "Validation",
        "Machine",
    ),
}


@pytest.fixture(scope="module")
def writer():
    place = DOCS / "write_docstrings.py"
    spec = importlib.util.spec_from_file_location("write_docstrings", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_name(kind):
    """The name of the text of a class."""
    return "parameters_tabular" if "Tabular" in kind.__name__ else "parameters"


def plain(text):
    """A text without the ends of its lines and the backslashes there."""
    return " ".join(text.replace("\\\n", " ").split())


def entries(doc):
    """Names of the entries of the section Parameters, headings included."""
    section = re.search(r"^Parameters\n-+\n(.*?)^Attributes\n-", doc, re.S | re.M)
    heads = re.findall(r"^\S.*", section.group(1), re.M)
    return [name for head in heads for name in head.split(" : ")[0].split(", ")]


@pytest.mark.parametrize("kind", KINDS)
def test_docstrings_are_those_of_the_text(kind, writer):
    """Otherwise: edit docs/parameters.txt and run docs/write_docstrings.py."""
    name = "classifier" if is_classifier(kind()) else "regressor"
    text = writer.text_of(text_name(kind))
    assert plain(writer.sections(text, name)) in plain(inspect.getdoc(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_under_a_heading(kind):
    found = entries(inspect.getdoc(kind))
    heads = [name for name in found if name.startswith("-- ")]
    assert heads == [f"-- {group} --" for group in GROUPS[text_name(kind)]]
    assert found[0] == heads[0]
    names = [name for name in found if name not in heads]
    assert sorted(names) == sorted(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_documented_defaults_are_those_of_the_signature(kind):
    doc = plain(inspect.getdoc(kind))
    for name, parameter in inspect.signature(kind).parameters.items():
        default = re.search(rf"\b{name} : [^:]*?default=(\([^)]*\)|\S+)", doc).group(1)
        assert ast.literal_eval(default) == parameter.default, name


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_is_cited_in_order(kind):
    body, _, listed = inspect.getdoc(kind).partition("References\n----------\n")
    cited = list(dict.fromkeys(re.findall(r"\[(\d+)\]_", body)))
    assert cited == [str(i + 1) for i in range(len(cited))]
    assert re.findall(r"^\.\. \[(\d+)\] ", listed, re.M) == cited


@pytest.mark.parametrize("kind", KINDS)
def test_help_and_html_show_every_parameter(kind):
    shown = pydoc.plain(pydoc.render_doc(kind))
    tooltips = estimator_html_repr(kind())
    for name in inspect.signature(kind).parameters:
        assert re.search(rf"\b{name}( :|,)", shown), name
        assert name in tooltips
    numpydoc = pytest.importorskip("sklearn.externals._numpydoc.docscrape")
    parsed = numpydoc.NumpyDocString(inspect.getdoc(kind))["Parameters"]
    described = {
        name for p in parsed if p.type and p.desc for name in p.name.split(", ")
    }
    assert described == set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_html_links_to_the_page_and_describes_every_parameter(kind):
    pytest.importorskip("sklearn.utils._repr_html.common")  # from 1.8 on
    html = estimator_html_repr(kind())
    page = f"{SITE}/reference/generated/fastmlp.{kind.__name__}.html"
    assert f'href="{page}"' in html
    names = set(inspect.signature(kind).parameters)
    assert set(re.findall(rf'href="{re.escape(page)}#:~:text=(\w+),-', html)) == names
    assert html.count('<span class="param-doc-description"') == len(names)


def test_html_of_a_subclass_elsewhere_links_to_no_page():
    class Own(MLPClassifier):
        pass

    assert SITE not in estimator_html_repr(Own())


def test_the_metadata_name_the_site_of_the_links():
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["urls"]["Documentation"] == SITE


@pytest.mark.parametrize("kind", KINDS)
def test_editors_show_every_parameter_without_running_code(kind):
    code = f"from fastmlp import {kind.__name__}"
    project = jedi.Project(Path(fastmlp.__file__).parents[1])
    (found,) = jedi.Script(code, project=project).infer(1, len(code))
    names = entries(found.docstring(raw=True))
    assert set(inspect.signature(kind).parameters) <= set(names)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_the_class_gives_what_it_shows(kind):
    found = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, globs={})
    results = [doctest.DocTestRunner().run(examples) for examples in found]
    assert sum(result.attempted for result in results) > 3
    assert not any(result.failed for result in results)


def test_the_package_works_without_docstrings():
    code = (
        "from fastmlp import MLPClassifier as M; assert M.__doc__ is None;"
        "M((2,), solver='lbfgs', max_iter=2, tol=1e9).fit([[0], [1]], [0, 1])"
    )
    subprocess.run([sys.executable, "-OO", "-c", code], check=True)
