"""
To ONNX, C, PyTorch, Keras and scikit-learn, and back
=====================================================

A fitted model leaves Python in two ways: as an ONNX graph for another runtime, and as
one C header for a device. It also goes to PyTorch, Keras and scikit-learn. All but the
header can be read again. This example compares the numbers after each step; a part
whose packages are not installed says so.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastmlp import MLPClassifier
from fastmlp.export import (
    from_keras,
    from_onnx,
    from_sklearn,
    from_torch,
    to_c,
    to_keras,
    to_onnx,
    to_sklearn,
    to_torch,
)


def has(*names):
    """Return whether modules are installed; say so if one is not."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        print("not installed here, so this part did not run:", *missing)
    return not missing


def difference(p):
    """For each row, the largest difference of a probability from the model's."""
    return np.abs(p - truth).max(axis=1)


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
# features. ``from_onnx`` reads such a graph, and that of any other program as long as
# it is an MLP.

if has("onnx", "onnxruntime"):
    import onnxruntime

    to_onnx(model, folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    name = session.get_inputs()[0].name
    label, p = session.run(None, {name: X.astype(np.float32)})
    differences["ONNX"] = difference(p)
    print("outputs:", ", ".join(node.name for node in session.get_outputs()))
    back = from_onnx(folder / "model.onnx")
    print("layers of the model that was read:", back.hidden_layer_sizes)
    differences["from ONNX"] = difference(back.predict_proba(X))

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
if shutil.which("cc") is None:
    print("no C compiler here, so this part did not run")
else:
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
        differences[name] = difference(p)

# %%
# PyTorch, and back
# -----------------
#
# A binary model has one output there, the probability of the second class.

if has("torch"):
    import torch

    module = to_torch(model)
    with torch.inference_mode():
        p = module(torch.from_numpy(X.astype(np.float32))).numpy()
    differences["PyTorch"] = difference(np.c_[1 - p, p])
    back = from_torch(module, classes=model.classes_)
    differences["from PyTorch"] = difference(back.predict_proba(X))

# %%
# Keras, and back
# ---------------
#
# Keras 3 runs on PyTorch, TensorFlow or JAX; ``KERAS_BACKEND`` names which.

if has("keras", "torch"):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    # Keras on PyTorch calls NumPy 2 in an old way.
    warnings.filterwarnings("ignore", "__array__ impl", DeprecationWarning)
    network = to_keras(model)
    p = network.predict(X.astype(np.float32), verbose=0)
    differences["Keras"] = difference(np.c_[1 - p, p])
    back = from_keras(network)
    differences["from Keras"] = difference(back.predict_proba(X))

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
differences["scikit-learn"] = difference(theirs.predict_proba(X))
back = from_sklearn(theirs)
differences["from sklearn"] = difference(back.predict_proba(X))

# %%
# The largest difference of a probability, over all rows
# ------------------------------------------------------

for name, values in differences.items():
    print(f"{name:13} {values.max():.1e}")

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for name, values in differences.items():
    values = np.sort(np.maximum(values, 1e-9))
    axis.plot(values, np.linspace(0, 1, len(values)), label=name)
axis.set(xscale="log", xlabel="difference of a probability", ylabel="share of the rows")
axis.legend(fontsize="small")
plt.show()

# %%
# :doc:`/user_guide/deploy` has the details: pipelines, tables, the command line.
