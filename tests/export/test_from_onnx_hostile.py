"""Files of ONNX that are damaged or made to do harm: refused, soon and in few bytes."""

import os
import random
import time
import tracemalloc

import numpy as np
import pytest
from helpers.models import fitted
from helpers.onnx_graphs import Graph

import fastmlp

onnx = pytest.importorskip("onnx")
TensorProto = onnx.TensorProto
IS_POSIX = os.name == "posix"  # files of no blocks, pipes and links
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def plain():
    """A small model that is read."""
    graph = Graph()
    z = graph.node("Tanh", [graph.dense("X", 4, 3)])
    return graph.model(graph.node("Softmax", [graph.dense(z, 3, 3)]))


def refused(model, match, path=None):
    """Check that a model is refused within a second and a few megabytes."""
    if path is not None:
        path.write_bytes(model.SerializeToString())
        model = path
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            fastmlp.from_onnx(model)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3e7
    assert time.monotonic() - started < 20  # of a machine that does other things too


def test_files_cut_off_or_of_another_kind(tmp_path):
    content = plain().SerializeToString()
    path = tmp_path / "m.onnx"
    for size in (0, 1, 5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"m\.onnx' is no file of ONNX"):
            fastmlp.from_onnx(path)
    for other in (b"PK\x03\x04" + bytes(90), b"\xff" * 99, b"\x08" + b"\xff" * 99):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="is no file of ONNX"):
            fastmlp.from_onnx(path)
    with pytest.raises(FileNotFoundError):
        fastmlp.from_onnx(tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="is no regular file"):
        fastmlp.from_onnx(tmp_path)
    if IS_POSIX:
        with open(path, "wb") as file:
            file.truncate(2**31)  # of no blocks
        with pytest.raises(ValueError, match=r"has 2,147,483,648 bytes"):
            fastmlp.from_onnx(path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="is no regular file"):
            fastmlp.from_onnx(tmp_path / "pipe")


def test_every_changed_byte_is_read_or_refused(tmp_path):
    rng = random.Random(0)
    content = fastmlp.to_onnx(fitted("multiclass", "float32")).SerializeToString()
    path = tmp_path / "m.onnx"
    n_refused = 0
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            fastmlp.from_onnx(path)
        except ValueError:
            n_refused += 1
    assert 50 < n_refused < 300


@pytest.mark.parametrize(
    "dims", [[10**9, 10**9], [2**31], [-1, 3], [-(2**62), 4], [0, 3], [4] * 40, [4, 2]]
)
def test_shapes_that_disagree(dims):
    model = plain()
    for tensor in model.graph.initializer:
        if list(tensor.dims) in ([4, 3], [3, 4]):
            del tensor.dims[:]
            tensor.dims.extend(dims)
    refused(model, "needs|impossible shape")


def test_types_and_fields_that_disagree():
    for kind in (TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FN, 99):
        model = plain()
        for tensor in model.graph.initializer:
            tensor.data_type = kind
        refused(model, "which weights do not have")
    for kind in (TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING):
        model = plain()
        for tensor in model.graph.initializer:
            tensor.data_type = kind
        refused(model, "floats|needs")
    model = plain()
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.float_data.extend([1.0, 2.0])
    refused(model, "values, and there are 2")


def external(tensor, **entries):
    """Move a tensor to another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))


def with_external(**entries):
    """A model with one tensor in another file, and the number of its bytes."""
    model = plain()
    size = len(model.graph.initializer[0].raw_data)
    content = model.graph.initializer[0].raw_data
    external(model.graph.initializer[0], **entries)
    return model, size, content


def test_weights_in_another_file(tmp_path):
    path = tmp_path / "m.onnx"
    model, size, content = with_external(location="m.data", offset=3)
    (tmp_path / "m.data").write_bytes(b"abc" + content + b"xyz")
    path.write_bytes(model.SerializeToString())
    got, whole = fastmlp.from_onnx(path), fastmlp.from_onnx(plain())
    np.testing.assert_array_equal(got.coefs_[0], whole.coefs_[0])
    np.testing.assert_array_equal(got.intercepts_[0], whole.intercepts_[0])
    with pytest.raises(ValueError, match="give the path of the model"):
        fastmlp.from_onnx(model)
    assert size == len(content)


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "sub/secret", "link", "", ".", "..", "none", "a\x00b"],
)
def test_weights_in_files_elsewhere(location, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for secret in (tmp_path / "secret", folder / "sub" / "secret"):
        secret.write_bytes(bytes(999))
    if IS_POSIX:
        (folder / "link").symlink_to(tmp_path / "secret")
    model, *_ = with_external(location=location)
    refused(model, "which must be a regular file", folder / "m.onnx")


def test_weights_beyond_another_file(tmp_path):
    for entries in (
        {"offset": 990},
        {"offset": -1},
        {"offset": "a"},
        {"length": 2**62},
        {"length": 4},
        {"offset": 2**63},
    ):
        model, *_ = with_external(location="m.data", **entries)
        (tmp_path / "m.data").write_bytes(bytes(999))
        refused(model, "bytes of 'm.data' are not these", tmp_path / "m.onnx")
    if IS_POSIX:
        with open(tmp_path / "m.data", "wb") as file:
            file.truncate(2**40)  # of no blocks
    model, *_ = with_external(location="m.data", length=2**39)
    model.graph.initializer[0].dims[0] = 2**37
    refused(model, "m.data", tmp_path / "m.onnx")


def test_graphs_that_are_no_graphs():
    graph = Graph()
    graph.node("Add", ["b", "X"])
    graph.node("Relu", ["add_0"])
    graph.nodes[1].output[0] = "b"  # a circle
    refused(graph.model("b"), "no node before 'add_0' makes 'b'")
    graph = Graph()
    z = graph.node("Identity", [graph.node("Identity", ["identity_1"])])
    refused(graph.model(z), "needs itself")
    graph = Graph()
    z = graph.dense("X", 4, 3)
    for node in graph.nodes[:]:
        graph.nodes.append(node)
    refused(graph.model(z), "two make")
    refused(Graph().model("nothing"), "no node makes 'nothing'")
    model = plain()
    model.graph.node[-1].input[0] = "nowhere"
    refused(model, "makes 'nowhere'")


def test_numbers_of_nodes_and_of_constants():
    graph = Graph()
    z = graph.dense("X", 4, 3)
    for _ in range(10_001):
        z = graph.node("Relu", [z])
    refused(graph.model(z), "up to 10,000 can be read")
    graph = Graph()
    z = graph.dense("X", 4, 3)
    refused(graph.model(*[z] * 101), "name it by output=")
    graph = Graph()
    constant = graph.constant(np.ones(1000, "f4"))
    for _ in range(40):
        constant = graph.node("Concat", [constant, constant], axis=0)
    z = graph.node("Add", [graph.dense("X", 4, 3), constant])
    refused(graph.model(z), "too often")
    graph = Graph()
    column = graph.constant(np.ones((10**5, 1), "f4"))
    row = graph.constant(np.ones((1, 10**5), "f4"))
    z = graph.node("MatMul", ["X", graph.node("Add", [column, row], name="outer")])
    refused(graph.model(z), r"'outer' \(Add\).*a large constant of small ones")
    graph = Graph(shape=("n", 500))
    z, w = "X", graph.constant(np.eye(500, dtype="f4"))
    for _ in range(200):
        z = graph.node("MatMul", [z, w])
    refused(graph.model(z), "too often")


def test_constants_that_make_constants_of_a_size_that_is_claimed():
    graph = Graph()
    shape = graph.integers([10**9, 10**9])
    w = graph.node("ConstantOfShape", [shape], name="huge")
    refused(graph.model(graph.node("MatMul", ["X", w])), r"'huge' \(ConstantOfShape\)")
    graph = Graph()
    w = graph.node(
        "Expand", [graph.number(1), graph.integers([10**9] * 2)], name="huge"
    )
    refused(graph.model(graph.node("MatMul", ["X", w])), r"'huge' \(Expand\)")
    graph = Graph()
    w = graph.node("Reshape", [graph.number([1, 2]), graph.integers([10**9] * 2)])
    refused(graph.model(graph.node("MatMul", ["X", w])), "it is damaged")


def test_nested_graphs(tmp_path):
    def field(number, content):
        size, digits = len(content), []
        while True:
            digits.append(size & 127 | (128 if size > 127 else 0))
            size >>= 7
            if not size:
                return bytes([number << 3 | 2, *digits]) + content

    graph = b""
    for _ in range(300):  # a graph in an attribute of a node of a graph
        graph = field(1, field(4, b"If") + field(5, field(6, graph)))
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x08" + field(7, graph))
    with pytest.raises(ValueError, match="no file of ONNX"):
        fastmlp.from_onnx(path)


def test_attributes_of_another_type():
    for attributes in ({"alpha": "big"}, {"alpha": [1.0, 2.0]}, {"alpha": np.nan}):
        graph = Graph()
        z = graph.node("LeakyRelu", [graph.dense("X", 4, 3)], name="odd", **attributes)
        refused(graph.model(graph.dense(z, 3, 1)), r"'odd' \(LeakyRelu\)")
    for attributes in ({"alpha": np.inf}, {"beta": np.nan}, {"transB": [1, 1]}):
        graph = Graph()
        w, b = graph.number(np.eye(4)), graph.number(np.zeros(4))
        z = graph.node("Gemm", ["X", w, b], name="odd", **attributes)
        if "transB" not in attributes:
            refused(graph.model(z), r"'odd' \(Gemm\)")
    graph = Graph()
    w = graph.number(np.full((4, 2), np.nan))
    refused(graph.model(graph.node("MatMul", ["X", w])), "must be finite")


def test_labels_that_would_fill_the_memory():
    graph = Graph()
    p = graph.node("Softmax", [graph.dense("X", 4, 3)])
    names = graph.constant(np.array(["a" * 10**6, "b", "c"], object))
    label = graph.node("Gather", [names, graph.node("ArgMax", [p], axis=1)])
    refused(graph.model(label, p), "a label has 1,000,000 characters")
