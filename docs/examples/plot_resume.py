"""
Resume after kill -9
====================

A fit that writes checkpoints can be killed at any moment, also by a signal that no
program can catch. The fit that resumes gives the same bits as one that was never
interrupted.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import MLPClassifier

# %%
# The long fit runs in a process of its own, as it would on a server.

FIT = """
from sklearn.datasets import load_digits
from fastmlp import MLPClassifier

X, y = load_digits(return_X_y=True)
model = MLPClassifier((100,), random_state=0, dropout=0.2, max_iter=100_000)
model.set_params(n_iter_no_change=100_000)  # it would go on for hours
model.fit(X / 16, y, checkpoint="fit.ckpt", checkpoint_every=5)
"""
folder = Path(tempfile.mkdtemp())
(folder / "fit.py").write_text(FIT)
process = subprocess.Popen([sys.executable, "fit.py"], cwd=folder)
while process.poll() is None and not (folder / "fit.ckpt").exists():
    time.sleep(0.01)
time.sleep(0.5)
process.kill()  # SIGKILL on Linux and macOS: no handler runs
print("ended by signal", -process.wait())
print(f"the checkpoint holds {(folder / 'fit.ckpt').stat().st_size / 1e6:.1f} MB")

# %%
# The same data and parameters go on from the file; only limits such as ``max_iter`` may
# differ. The history goes on too, so that the first epoch of this process can be told.

X, y = load_digits(return_X_y=True)
params = {"random_state": 0, "dropout": 0.2, "n_iter_no_change": 100_000}
resumed = MLPClassifier((100,), max_iter=100_000, **params)
seen = []


def watch(record):
    """Remember the epochs that run here, and stop after 80."""
    seen.append(record.epoch)
    if record.epoch >= 80:
        record.stop("enough for this page")


resumed.fit(X / 16, y, resume=folder / "fit.ckpt", callback=watch)
print(f"{resumed.n_iter_} epochs, of which this process trained the last {len(seen)}")

# %%
# A fit that nothing interrupted has the same weights, to the last bit.

whole = MLPClassifier((100,), max_iter=100_000, **params)
stop = resumed.n_iter_


def stop_there(record):
    """Stop where the other one did."""
    if record.epoch >= stop:
        record.stop()


whole.fit(X / 16, y, callback=stop_there)
same = all(map(np.array_equal, whole.coefs_, resumed.coefs_))
print("same bits:", same)
assert same

# %%

figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
epochs = np.arange(1, stop + 1)
axis.plot(epochs, whole.loss_curve_, color="0.8", lw=5, label="without interruption")
first = seen[0]
axis.plot(
    epochs[: first - 1], resumed.loss_curve_[: first - 1], label="before the kill"
)
axis.plot(epochs[first - 1 :], resumed.loss_curve_[first - 1 :], label="resumed")
axis.set(xlabel="epoch", ylabel="training loss", yscale="log")
axis.legend()
plt.show()
