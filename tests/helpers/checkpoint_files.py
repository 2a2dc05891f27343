"""Files of checkpoints: of killed fits, and changed ones under a right checksum."""

import json
import multiprocessing
import os
import random
import signal
import time
import warnings

import numpy as np

from fastmlp._files import safetensors
from helpers.mutations import mutate_json


def content_of(path):
    """Tensors and metadata of a checkpoint."""
    tensors, metadata = safetensors.read(path, copy=True)
    metadata.pop("checksum")
    return tensors, metadata


def rewritten(path, content, change):
    """Write a checkpoint with its tensors and its state changed."""
    tensors = {name: array.copy() for name, array in content[0].items()}
    state = json.loads(content[1]["state"])
    change(tensors, state)
    safetensors.write(path, tensors, {**content[1], "state": json.dumps(state)})


def unchanged(model, before):
    """Raise unless the attributes of a model are the same objects as before."""
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


def put(name, change):
    """A change of a tensor: a function of it, or a value for its first element."""

    def apply(tensors, state):
        if callable(change):
            tensors[name] = change(tensors[name])
        else:
            tensors[name].flat[0] = change

    return apply


def say(part, **values):
    """A change of entries of a dict in the state."""
    return lambda tensors, state: state[part]["$dict"].update(values)


def drop(part, name):
    """A change that removes an entry of a dict in the state."""
    return lambda tensors, state: state[part]["$dict"].pop(name)


def mutate_tensor(tensors, rng):
    """Remove, cut, cast, reshape or overwrite a part of one tensor, in place."""
    name = rng.choice(sorted(tensors))
    array = tensors[name]
    kind = rng.randrange(5)
    if kind == 0:
        tensors.pop(name)
    elif kind == 1:
        tensors[name] = array[: rng.randrange(len(array) + 1)]
    elif kind == 2:
        tensors[name] = array.astype(rng.choice(["f4", "f8", "i8", "i4", "u1"]))
    elif kind == 3:
        tensors[name] = array[..., None]
    else:
        raw = bytearray(array.tobytes())
        at = rng.randrange(len(raw))
        raw[at : at + 8] = rng.randbytes(len(raw[at : at + 8]))
        tensors[name] = np.frombuffer(raw, array.dtype).reshape(array.shape)


def random_change(rng):
    """A change of a few tensors or values of the state."""
    by_tensor, n_changes = rng.random() < 0.5, rng.choice((1, 1, 3))

    def apply(tensors, state):
        for _ in range(n_changes):
            if by_tensor and tensors:
                mutate_tensor(tensors, rng)
            else:
                mutate_json(state, rng, 0.9)

    return apply


def fuzz(content, path, make, X, y, rng, n):
    """Resume from n changed files; how many were refused, and how many were not."""
    n_refused = 0
    for _ in range(n):
        with np.errstate(all="ignore"):
            rewritten(path, content, random_change(rng))
        model = make()
        before = vars(model).copy()
        try:
            model.fit(X, y, resume=path)
        except ValueError as error:
            assert str(path) in str(error)
            unchanged(model, before)
            n_refused += 1
        else:
            assert model.predict(X).shape == (len(X),)
            assert np.isfinite(model.coefs_[0]).all()
    return n_refused, n - n_refused


def _fit_in_child(model, X, y, path):
    warnings.simplefilter("ignore")
    resume = path if os.path.exists(path) else None
    model.fit(X, y, checkpoint=path, resume=resume)


def killed_fits(model, X, y, folder, seconds, n):
    """Kill n fits, each within some seconds; yields the path that each wrote to."""
    fork, rng, n_killed = multiprocessing.get_context("fork"), random.Random(0), 0
    while n_killed < n:
        path = folder / f"c{n_killed}"
        child = fork.Process(target=_fit_in_child, args=(model, X, y, path))
        child.start()
        while n_killed % 2 and child.is_alive() and not path.exists():
            time.sleep(1e-4)  # half of them go on from a checkpoint
        time.sleep(rng.uniform(0, seconds))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        if child.exitcode == -signal.SIGKILL:
            n_killed += 1
            yield path
        else:  # it had ended before
            path.unlink(missing_ok=True)
