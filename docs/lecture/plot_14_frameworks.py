"""
14. To PyTorch, Keras and ONNX, and back
========================================

The lecture ends with the frameworks of the field: TensorFlow with Keras, and PyTorch,
as the most popular ones; MXNet, Caffe, Caffe2, Theano and Torch as others. Of those
others none is developed any more. PyTorch took over Torch's ideas and Caffe2's code,
and JAX came after the lecture was written.

A framework does for any graph what :doc:`plot_05_graphs` did for a few gates: it
records the operations, goes backward through them, and runs them on a GPU. fastmlp
knows one kind of graph, the MLP, whose backward pass is written by hand and fast on a
CPU. A model can go from either side to the other, since an MLP is nothing but matrices
and the names of its activations.

The parts for PyTorch and Keras run where these are installed; their output is in
the text.
"""

import importlib.util
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

from fastmlp import MLPClassifier, from_onnx, to_onnx

X, y = load_iris(return_X_y=True)
model = MLPClassifier((10, 10), activation="tanh", random_state=0, max_iter=2000)
model.fit(X, y)
truth = model.predict_proba(X)
print(f"accuracy on the rows of the training: {model.score(X, y):.3f}")


def has(*names):
    """Return whether modules are installed; say so if one is not."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        print("not installed here, so this part did not run:", *missing)
    return not missing


# %%
# PyTorch
# -------
#
# ``to_torch`` makes a ``torch.nn.Sequential`` of the model. Its ``backward`` finds the
# same gradients as ``loss_gradient``: the graph that PyTorch records is that of the
# formulas in :doc:`plot_06_backpropagation`.

if has("torch"):
    import torch

    from fastmlp import from_torch, to_torch

    module = to_torch(model, logits=True)
    print(module)
    logits = module(torch.from_numpy(X))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))
    loss.backward()
    model.set_params(alpha=0.0)
    _, coef_grads, _ = model.loss_gradient(X, y)
    theirs = module[0].weight.grad.numpy().T
    print("same gradient:", np.abs(theirs - coef_grads[0]).max() < 1e-12)

    back = from_torch(module, classes=[0, 1, 2])
    print("same predictions:", np.abs(back.predict_proba(X) - truth).max() < 1e-12)

# %%
# .. code-block:: none
#
#    Sequential(
#      (0): Linear(in_features=4, out_features=10, bias=True)
#      (1): Tanh()
#      (2): Linear(in_features=10, out_features=10, bias=True)
#      (3): Tanh()
#      (4): Linear(in_features=10, out_features=3, bias=True)
#    )
#    same gradient: True
#    same predictions: True
#
# ``logits=True`` leaves out the softmax, as PyTorch's loss contains it.
# ``from_torch`` is told the classes, since a module does not know them.
#
# Keras
# -----
#
# Keras 3 runs on TensorFlow, JAX or PyTorch; the environment variable names which.

if has("keras", "torch"):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    # Keras on PyTorch calls NumPy 2 in an old way.
    warnings.filterwarnings("ignore", "__array__ impl", DeprecationWarning)

    from fastmlp import from_keras, to_keras

    network = to_keras(model)
    print([type(layer).__name__ for layer in network.layers])
    outputs = network.predict(X, verbose=0)
    print("same outputs:", np.abs(outputs - truth).max() < 1e-6)
    back = from_keras(network)
    print("same predictions:", np.abs(back.predict_proba(X) - truth).max() < 1e-6)

# %%
# .. code-block:: none
#
#    ['Dense', 'Dense', 'Dense']
#    same outputs: True
#    same predictions: True
#
# ONNX
# ----
#
# ONNX is a file format for graphs, which all of these frameworks write and many
# runtimes read, also without Python. ``to_onnx`` writes one; onnxruntime stands for the
# runtimes. ``from_onnx`` reads one, whoever wrote it, as long as the graph is an MLP;
# at anything else it names the node that it cannot take.

if has("onnx"):
    path = Path(tempfile.mkdtemp()) / "model.onnx"
    graph = to_onnx(model, path)
    print("gates:", [node.op_type for node in graph.graph.node])
    back = from_onnx(path)
    print("same predictions:", np.abs(back.predict_proba(X) - truth).max() < 1e-6)

if has("onnx", "onnxruntime"):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    name, kind = session.get_inputs()[0].name, session.get_inputs()[0].type
    rows = X.astype(np.float64 if "double" in kind else np.float32)
    probabilities = session.run(None, {name: rows})[1]
    print("onnxruntime agrees:", np.abs(probabilities - truth).max() < 1e-5)

# %%
# So a network that was trained in a framework can answer here in microseconds, or be
# read here with ``trace_step`` and ``plot_graph``; and one that was trained here can
# become a part of something larger there. :doc:`/user_guide/deploy` has the details and
# the limits, and scikit-learn and C besides.
#
# What the lecture names last, convolutional and recurrent networks, shares weights
# between places of a picture or between moments. Gates, chain rule, losses and steps
# are those of these pages: the gradients of shared weights add at the branches.
#
# - Paszke and others, "PyTorch: an imperative style, high-performance deep learning
#   library", NeurIPS 2019, arXiv:1912.01703.
# - LeCun, Bengio and Hinton, "Deep learning", Nature 521, 2015.
