"""
To ONNX, to C, and back
=======================

A fitted model leaves Python in two ways: as an ONNX graph for another runtime, and as
one C header for a device. This example runs both and compares the numbers, then sends
a model to scikit-learn and back.
"""

import ctypes
import importlib.util
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastmlp import MLPClassifier, from_sklearn, to_c, to_onnx, to_sklearn

X, y = load_breast_cancer(return_X_y=True)
model = MLPClassifier(
    (32, 16), standardize_X=True, dtype="float32", random_state=0, max_iter=500
)
model.fit(X, y)
truth = model.predict_proba(X)
folder = Path(tempfile.mkdtemp())
differences = {}

# %%
# ONNX
# ----
#
# ``standardize_X`` is folded into the first layer, so that the graph takes raw
# features.

if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
    import onnxruntime

    to_onnx(model, folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    name = session.get_inputs()[0].name
    label, p = session.run(None, {name: X.astype(np.float32)})
    differences["ONNX"] = np.abs(p - truth).max(axis=1)
    print("outputs:", ", ".join(node.name for node in session.get_outputs()))

# %%
# C
# -
#
# The header needs no library but ``math.h`` and allocates nothing. A few lines make a
# shared library of it, so that Python can call it; a device would include the header as
# it is. The form with a byte for each weight is smaller, and states its error.

MAIN = """
#include "model.h"
#include "small.h"
void exact(const float *x, float *out) { model_predict(x, out); }
void small(const float *x, float *out) { small_predict(x, out); }
int self_test(void) { return model_self_test() + small_self_test(); }
"""
to_c(model, folder / "model.h")
to_c(model, folder / "small.h", dtype="int8", X=X)
if shutil.which("cc"):
    (folder / "main.c").write_text(MAIN)
    command = ["cc", "-O2", "-shared", "-fPIC", "main.c", "-o", "model.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "model.so"))
    print("rows that the self-test finds wrong:", library.self_test())
    rows = np.ascontiguousarray(X, np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    for name, function in {"C": library.exact, "C, int8": library.small}.items():
        p = np.empty((len(rows), 2), np.float32)
        for row, out in zip(rows, p):
            function(row.ctypes.data_as(pointer), out.ctypes.data_as(pointer))
        differences[name] = np.abs(p - truth).max(axis=1)

# %%
# scikit-learn, and back
# ----------------------
#
# What scikit-learn's estimator lacks is named in a warning: the copy predicts the same,
# but its own ``fit`` would go without.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    theirs = to_sklearn(model)
print(type(theirs))
print(caught[0].message)
differences["scikit-learn"] = np.abs(theirs.predict_proba(X) - truth).max(axis=1)
back = from_sklearn(theirs)
differences["and back"] = np.abs(back.predict_proba(X) - truth).max(axis=1)

# %%
# The largest difference of a probability, over all rows
# ------------------------------------------------------

for name, difference in differences.items():
    print(f"{name:13} {difference.max():.1e}")

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for name, difference in differences.items():
    values = np.sort(np.maximum(difference, 1e-9))
    axis.plot(values, np.linspace(0, 1, len(values)), label=name)
axis.set(xscale="log", xlabel="difference of a probability", ylabel="share of the rows")
axis.legend()
plt.show()

# %%
# :doc:`/user_guide/deploy` has the details: pipelines, tables, PyTorch, the command
# line.
