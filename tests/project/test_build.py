"""The list of installed files is that of the tree; the bill of a wheel is right."""

import json
import re
import zipfile
from pathlib import Path
from runpy import run_path

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


needs_ci = pytest.mark.skipif(
    not (TREE.parent / ".ci" / "sbom.py").exists(), reason="no .ci beside the tests"
)


@needs_ci
def test_a_bill_of_materials_names_what_is_in_a_wheel(tmp_path):
    wheel = tmp_path / "fastmlp-1.2-cp311-cp311-any.whl"
    info = "fastmlp-1.2.dist-info"
    metadata = (
        "Metadata-Version: 2.4\nName: fastmlp\nVersion: 1.2\n"
        "License-Expression: BSD-3-Clause\n"
        'Requires-Dist: numpy>=1.26\nRequires-Dist: onnx>=1.16; extra == "onnx"\n\n'
    )
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr("fastmlp/_core/step.so", b"\0_cython_3_1_2\0")
        file.writestr(f"{info}/RECORD", f"{info}/RECORD,,\n")
    sbom = run_path(str(TREE.parent / ".ci" / "sbom.py"))
    sbom["add"](wheel)
    with zipfile.ZipFile(wheel) as file:
        bill = json.loads(file.read(f"{info}/sboms/fastmlp.cdx.json"))
        assert (
            f"{info}/sboms/fastmlp.cdx.json,sha256="
            in file.read(f"{info}/RECORD").decode()
        )
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/fastmlp@1.2"
    names = [(part["name"], part.get("version")) for part in bill["components"]]
    assert names == [("Cython", "3.1.2"), ("numpy", None)]
    with pytest.raises(SystemExit, match="already"):
        sbom["add"](wheel)
