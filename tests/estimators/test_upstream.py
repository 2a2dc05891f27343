"""scikit-learn's own tests of its MLP, with one import line changed."""

import inspect
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import sklearn
import sklearn.neural_network.tests.test_mlp as test_mlp


@pytest.mark.skipif(
    not sklearn.__version__.startswith("1.9."),
    reason="the tests of other versions describe other behaviour",
)
def test_scikit_learns_tests_pass(tmp_path):
    source = inspect.getsource(test_mlp)
    theirs = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
    assert source.count(theirs) == 1
    swapped = source.replace(theirs, "from fastmlp import MLPClassifier, MLPRegressor")
    path = tmp_path / "test_mlp_swapped.py"
    path.write_text(swapped)
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "sklearn.conftest"]
    command += ["-p", "no:cacheprovider", "-c", "/dev/null", str(path)]
    command += ["--junitxml", str(tmp_path / "report.xml")]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    cases = list(ElementTree.parse(tmp_path / "report.xml").iter("testcase"))
    assert len(cases) >= source.count("\ndef test_")
    for case in cases:  # one that failed or was skipped says so in an element
        assert case.find("failure") is None and case.find("error") is None
        assert case.find("skipped") is None, case.attrib
