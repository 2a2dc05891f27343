"""Model files that were changed, with a checksum that is right again."""

import json
import random
import struct
import time
import zlib

import pytest

from fastmlp import load_model
from helpers.mutations import mutate_json


def rebuilt(content, change):
    """The file with its header changed, and the checksum put right again."""
    length = struct.unpack("<Q", content[:8])[0]
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    rest = change(header, rest) or rest
    if isinstance(header.get("__metadata__"), dict):
        header["__metadata__"]["checksum"] = "0" * 8
    text = json.dumps(header, separators=(",", ":")).encode()
    start = struct.pack("<Q", len(text))
    checksum = f'"checksum":"{zlib.crc32(start + text + rest):08x}"'
    return start + text.replace(b'"checksum":"00000000"', checksum.encode()) + rest


def change_model(change):
    """A change of the description of the model."""

    def apply(header, rest):
        model = json.loads(header["__metadata__"]["model"])
        change(model)
        header["__metadata__"]["model"] = json.dumps(model)

    return apply


def refuse(path, content, **options):
    """Raise unless the bytes are refused with ValueError, without much work."""
    path.write_bytes(content)
    start = time.process_time()
    with pytest.raises(ValueError, match=r"too few for|is not a valid model file"):
        load_model(path, **options)
    assert time.process_time() - start < 5


def mutated(content, rng):
    """The bytes after a few changes of one kind."""
    new = bytearray(content)
    kind = rng.randrange(6)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, other = rng.randrange(len(new)), rng.randrange(len(new))
        n = rng.choice((1, 4, 8, 64))
        if kind == 0:
            new[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            new[at : at + n] = rng.randbytes(n)
        elif kind == 2:
            del new[at : at + n]
        elif kind == 3:
            new[at:at] = rng.randbytes(n)
        elif kind == 4:
            new[at : at + n], new[other : other + n] = (
                new[other : other + n],
                new[at : at + n],
            )
        else:
            new[at : at + 1] = rng.choice((b"9", b"{", b"]", b'"', b"\xff", b"\0"))
    return bytes(new)


def fuzz(content, path, n, seed):
    """Load n mutations: any change is refused by the checksum.

    Without the checksum the same files either load, where the change is a sound one (of
    a weight, say), or are refused.
    """
    rng = random.Random(seed)
    n_refused = 0
    for _ in range(n):
        new = mutated(content, rng)
        if new == content:
            continue
        refuse(path, new)
        path.write_bytes(new)
        try:
            load_model(path, check=False, copy=rng.random() < 0.5)
        except ValueError as error:
            assert "valid model file" in str(error) or "too few" in str(error)
            n_refused += 1
    return n_refused


def fuzz_description(content, path, n, use, part=None):
    """Load n mutations of the JSON that stay JSON, under a right checksum.

    Every other one is of the header, unless a part of the description is named. Those
    that load are used; returns how many these are.
    """
    rng, n_loaded = random.Random(2), 0

    def mutate(node):
        mutate_json(node if part is None else node[part], rng)

    for i in range(n):
        change = lambda header, rest: mutate(header)  # noqa: E731
        if i % 2 or part is not None:
            change = change_model(mutate)
        path.write_bytes(rebuilt(content, change))
        try:
            model = load_model(path)
        except ValueError as error:
            assert "is not a valid model file" in str(error)
        else:
            n_loaded += 1
            use(model)
    return n_loaded


def swap(header, rest):
    header["coefs_.0"], header["coefs_.1"] = header["coefs_.1"], header["coefs_.0"]


def overlap(header, rest):
    header["intercepts_.1"]["data_offsets"] = header["intercepts_.0"]["data_offsets"]


def stored_objective(**values):
    """The loss of a regressor as a file holds it, with some values changed."""
    return {
        "$dict": {
            "loss": "quantile",
            "output": None,
            "parameter": 0.0,
            "bounds": {"$tuple": [0.0, 1.0]},
            "levels": {"$tuple": [0.1, 0.9]},
            "is_monotone": False,
            "positive": None,
            **values,
        }
    }


HOSTILE = {
    "no metadata": lambda h, r: h.pop("__metadata__") and None,
    "metadata no texts": lambda h, r: h["__metadata__"].update(model=3),
    "other program": lambda h, r: h["__metadata__"].update(format="pt"),
    "newer format": lambda h, r: h["__metadata__"].update(format_version="2"),
    "no model": lambda h, r: h["__metadata__"].update(model="[]"),
    "deep model": lambda h, r: h["__metadata__"].update(model="[" * 100_000),
    "deep value": change_model(
        lambda m: m["params"].update(alpha=json.loads("[" * 500 + "]" * 500))
    ),
    "swapped tensors": swap,
    "overlap": overlap,
    "missing tensor": lambda h, r: h.pop("coefs_.1") and None,
    "unknown dtype": lambda h, r: h["coefs_.0"].update(dtype="BF16"),
    "unhashable dtype": lambda h, r: h["coefs_.0"].update(dtype=[]),
    "huge shape": lambda h, r: h["coefs_.0"].update(shape=[2**62, 2**62]),
    "negative": lambda h, r: h["coefs_.0"].update(shape=[-7, -4]),
    "fraction": lambda h, r: h["coefs_.0"].update(shape=[7.0, 4]),
    "many axes": lambda h, r: h["coefs_.0"].update(shape=[1] * 70),
    "empty but huge": lambda h, r: h.update(
        {"x": {"dtype": "U8", "shape": [2**62, 0], "data_offsets": [0, 0]}}
    ),
    "huge offsets": lambda h, r: h["coefs_.0"].update(data_offsets=[0, 2**63 - 1]),
    "reverse offsets": lambda h, r: h["coefs_.0"]["data_offsets"].reverse(),
    "extra bytes": lambda h, r: r + b"\0" * 64,
    "too few bytes": lambda h, r: r[:-1],
    "no tensor": lambda h, r: h.update({"coefs_.0": 3}),
    "class": change_model(lambda m: m.update({"class": "os.system"})),
    "layers": change_model(lambda m: m.update(activations=[["relu", 0]] * 10**5)),
    "layers lost": change_model(lambda m: m["activations"].pop()),
    "no layers": change_model(lambda m: m.update(activations=10**9)),
    "infinite activation": change_model(
        lambda m: m["activations"][0].__setitem__(1, 10**400)
    ),
    "activation that is no number": change_model(
        lambda m: m["activations"][0].__setitem__(1, float("nan"))
    ),
    "objective of a regressor": change_model(
        lambda m: m["attributes"].update(_objective=stored_objective())
    ),
    "no activations": change_model(lambda m: m.update(activations=["relu", "relu"])),
    "unknown parameter": change_model(lambda m: m["params"].update(future=1)),
    "bad parameter": change_model(lambda m: m["params"].update(alpha=-1)),
    "bad activation": change_model(lambda m: m["params"].update(activation="x")),
    "bad sizes": change_model(lambda m: m["params"].update(hidden_layer_sizes="a")),
    "method": change_model(lambda m: m["attributes"].update(predict="x")),
    "dunder": change_model(lambda m: m["attributes"].update(__class__="x")),
    "private": change_model(lambda m: m["attributes"].update(_doc_link_="x")),
    "tag": change_model(lambda m: m["attributes"].update(t_={"$code": "1+1"})),
    "empty object": change_model(lambda m: m["attributes"].update(t_={})),
    "long texts": change_model(
        lambda m: m["attributes"].update(
            t_={"$texts": ["a" * 100_000] + ["b"] * 10_000, "kind": "U"}
        )
    ),
    "texts": change_model(lambda m: m["attributes"].update(t_={"$texts": [1]})),
    "generator": change_model(
        lambda m: m["attributes"].update(
            _random_state={"$random_state": ["MT19937", 10**9, 0, 0.0]}
        )
    ),
    "generator kind": change_model(
        lambda m: m["attributes"].update(_random_state={"$random_state": [[], {}]})
    ),
    "moments": change_model(lambda m: m["attributes"].update(_optimizer_state=[])),
    "classes": change_model(
        lambda m: m["attributes"].update(classes_={"$texts": ["a"], "kind": "U"})
    ),
    "no classes": change_model(lambda m: m["attributes"].pop("classes_")),
    "targets": change_model(lambda m: m.update(targets={"type": 3})),
    "output": change_model(lambda m: m["attributes"].update(out_activation_="sine")),
    "no output": change_model(lambda m: m["attributes"].pop("out_activation_")),
    "features": change_model(lambda m: m["attributes"].update(n_features_in_=10**12)),
    "names": change_model(
        lambda m: m["attributes"].update(
            feature_names_in_={"$texts": ["a"], "kind": "O"}
        )
    ),
}
