"""The list of installed files is that of the tree."""

import re
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2] / "fastmlp"
KINDS = (".py", ".pyi", ".pyx", ".pxd", ".typed")
OF_THE_BUILD = ["_core/declare_kernels.py", "_core/translate.py"]

pytestmark = pytest.mark.skipif(
    not (TREE / "meson.build").exists(), reason="the sources are not beside the tests"
)


def test_every_source_is_installed():
    text = (TREE / "meson.build").read_text()
    listed = re.search(r"install_sources\((.*?)subdir:", text, re.DOTALL).group(1)
    names = re.findall(r"'([^']+)'", listed)
    there = sorted(
        path.relative_to(TREE).as_posix()
        for path in TREE.rglob("*")
        if path.suffix in KINDS
    )
    assert sorted(names + OF_THE_BUILD) == there
    assert len(set(names)) == len(names)
