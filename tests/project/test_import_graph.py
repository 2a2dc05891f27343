"""The floors of the package: imports and cimports point downward only."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastmlp

PACKAGE = Path(fastmlp.__file__).parent
# From the ground up; a module imports from its own floor and those before it.
FLOORS = (
    "_core",
    "_utils",
    "_files",
    "_functions",
    "_model",
    "_data",
    "_tables",
    "runtime",
    "_training",
    "_inspection",
    "_mlp",
    "distributed",
    "_tabular",
    "dask",
    "export",
    "_cli",
    "__main__",
)
WITHOUT_ESTIMATORS = ("_core", "_model", "_data", "_tables", "_training")


def module_name(path):
    """The dotted name of a source file, without that of the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    path: module_name(path)
    for path in sorted(PACKAGE.rglob("*"))
    if path.suffix in (".py", ".pyx", ".pxd") and path != PACKAGE / "__init__.py"
}
MODULES = set(SOURCES.values())
CIMPORT = re.compile(
    r"^(?:from (fastmlp[\w.]*) c?import (\([^)]*\)|[^\n]*)|c?import (fastmlp[\w.]*))",
    re.M,
)


def python_imports(path):
    """(module, name) of each import in a file, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            yield from ((node.module, alias.name) for alias in node.names)


def cython_imports(path):
    """(module, name) of each import and cimport of ours in a file of Cython."""
    text = path.read_text(encoding="utf-8")
    for module, names, plain in CIMPORT.findall(text):
        for name in re.findall(r"\w+", names.replace("import", "")) or [None]:
            yield module or plain, name


def imported(path):
    """The modules of this package that a file imports."""
    found = set()
    read = python_imports if path.suffix == ".py" else cython_imports
    for module, name in read(path):
        if module != "fastmlp" and not (module or "").startswith("fastmlp."):
            continue
        inner = module.removeprefix("fastmlp").lstrip(".")
        longer = ".".join(filter(None, (inner, name)))
        found.add(longer if longer in MODULES else inner)
    return found - {""}


def graph():
    """The modules of this package that each one imports; of Cython with its .pxd."""
    edges = {name: set() for name in MODULES}
    for path, name in SOURCES.items():
        edges[name] |= imported(path) - {name}
    return edges


def floor(name):
    """The height of a module."""
    return FLOORS.index(name.split(".")[0])


GRAPH = graph()


def test_every_module_has_a_floor():
    assert {name.split(".")[0] for name in MODULES} == set(FLOORS)
    assert sum(map(len, GRAPH.values())) > len(MODULES)  # the imports were found
    assert "_core.kernels" in GRAPH["_core.batch"]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_arrows_point_down(name):
    assert [to for to in sorted(GRAPH[name]) if floor(to) > floor(name)] == []


def test_there_is_no_circle():
    try:
        tuple(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", WITHOUT_ESTIMATORS)
def test_floors_that_know_no_estimator(package):
    found = [
        f"{SOURCES[path]}:{number}"
        for path in SOURCES
        if SOURCES[path].split(".")[0] == package
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search("estimator", line, re.IGNORECASE)
    ]
    assert found == []


def test_one_file_names_c():
    naming = [
        SOURCES[path]
        for path in SOURCES
        if path.suffix in (".pyx", ".pxd")
        and re.search(r"cdef extern from \"(?!math)", path.read_text(encoding="utf-8"))
    ]
    assert naming == ["_core.table"]
