"""
An activation of your own
=========================

An activation is called once for each layer and batch. So a function of NumPy arrays
will do, and a compiled one costs no more than those of the core. Here is Swish, z / (1
+ exp(-z)), in NumPy, in numba and in C. The core has it too, as "silu", so the results
can be compared.
"""

import ctypes
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import load_digits

from fastmlp import Activation, MLPClassifier

# %%
# In NumPy
# --------
#
# The second function is the derivative, here of the input z.


def swish(z):
    """The activation."""
    return z * expit(z)


def swish_derivative(z):
    """Its derivative."""
    s = expit(z)
    return s + z * s * (1 - s)


ways = {"core": "silu"}
ways["NumPy"] = Activation(swish, swish_derivative, wrt="input", name="swish")

# %%
# The pair is checked when it is made. A wrong derivative is found before any training:

try:
    Activation(swish, expit, wrt="input")
except ValueError as error:
    print(error)

# %%
# In numba
# --------
#
# A compiled function gets the n values of a block in one row, and runs without the GIL
# in all threads. The derivative multiplies ``delta`` in place.

if importlib.util.find_spec("numba"):
    from numba import carray, cfunc, types

    real = types.CPointer(types.float64)

    @cfunc(types.void(real, real, types.intp, types.voidptr))
    def forward(z, a, n, user):
        """Write the activation of z to a."""
        z, a = carray(z, n), carray(a, n)
        for i in range(n):
            a[i] = z[i] / (1 + np.exp(-z[i]))

    @cfunc(types.void(real, real, real, types.intp, types.voidptr))
    def backward(z, a, delta, n, user):
        """Multiply delta by the derivative."""
        z, a, delta = carray(z, n), carray(a, n), carray(delta, n)
        for i in range(n):
            s = 1 / (1 + np.exp(-z[i]))
            delta[i] *= s + a[i] * (1 - s)

    ways["numba"] = Activation(forward, backward, name="swish")

# %%
# In C
# ----
#
# The same two functions, for the compiler of the machine:

SOURCE = """
#include <math.h>
#include <stddef.h>

void forward(const double *z, double *a, ptrdiff_t n, void *user)
{
    for (ptrdiff_t i = 0; i < n; ++i) a[i] = z[i] / (1 + exp(-z[i]));
}

void backward(const double *z, const double *a, double *delta, ptrdiff_t n, void *user)
{
    for (ptrdiff_t i = 0; i < n; ++i) {
        double s = 1 / (1 + exp(-z[i]));
        delta[i] *= s + a[i] * (1 - s);
    }
}
"""
if shutil.which("cc"):
    folder = Path(tempfile.mkdtemp())
    (folder / "swish.c").write_text(SOURCE)
    flags = ["-O3", "-shared", "-fPIC"]
    command = ["cc", *flags, "swish.c", "-o", "swish.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "swish.so"))
    pointer = ctypes.POINTER(ctypes.c_double)
    end = [ctypes.c_ssize_t, ctypes.c_void_p]
    library.forward.restype = library.backward.restype = None
    library.forward.argtypes = [pointer, pointer, *end]
    library.backward.argtypes = [pointer, pointer, pointer, *end]
    ways["C"] = Activation(library.forward, library.backward, name="swish")

# %%
# All of them train the same model
# --------------------------------

X, y = load_digits(return_X_y=True)
seconds = {}
for name, activation in ways.items():
    model = MLPClassifier((100, 100), activation=activation, tol=0.01, random_state=0)
    start = perf_counter()
    model.fit(X / 16, y)
    seconds[name] = (perf_counter() - start) / model.n_iter_
    print(
        f"{name:5}: {1e3 * seconds[name]:.1f} ms an epoch, last loss {model.loss_:.9f}"
    )

# %%

figure, axis = plt.subplots(figsize=(6, 2.6), layout="constrained")
bars = axis.barh(list(seconds), [1e3 * value for value in seconds.values()])
axis.bar_label(bars, fmt="%.1f", padding=3)
axis.invert_yaxis()
axis.set_xlabel("milliseconds for an epoch")
plt.show()

# %%
# :doc:`/user_guide/custom-functions` has the contract, and losses of your own.
