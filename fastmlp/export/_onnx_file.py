"""ONNX files, read with care: nothing that a file claims is believed.

Sizes are held against the bytes that there are before an array is made, and weights in
another file are read from the folder of the model alone.
"""

from __future__ import annotations

import math
import stat
from pathlib import Path

import numpy as np

from fastmlp._files.safetensors import check_path
from fastmlp.export._onnx_graph import needs_onnx

MOST_NODES = 10_000
_MOST_BYTES = 2**31 - 1  # of a protobuf message
_OLDEST_OPSET = 7
_ONNX, _ML = ("", "ai.onnx"), "ai.onnx.ml"
# The field that holds the numbers of a type, unless they are raw bytes.
_FIELDS = {
    "FLOAT": "float_data",
    "DOUBLE": "double_data",
    "INT64": "int64_data",
    "UINT64": "uint64_data",
    "UINT32": "uint64_data",
    "STRING": "string_data",
    **dict.fromkeys(
        ("INT32", "INT16", "INT8", "UINT16", "UINT8", "BOOL", "FLOAT16", "BFLOAT16"),
        "int32_data",
    ),
}


def read_onnx(source):
    """The ModelProto of a file, or one as it is, and the folder of the file.

    Raises
    ------
    ValueError
        If it is no model, or one of an operator set that is not known.
    """
    onnx = needs_onnx()
    folder = None
    if isinstance(source, onnx.ModelProto):
        model = source
    else:
        check_path(source)
        folder = Path(source).parent
        model = _parsed(onnx, Path(source))
    _check_versions(onnx, model)
    return model, folder


def _parsed(onnx, path):
    """The ModelProto in a file, without weights in other files."""
    from google.protobuf.message import DecodeError

    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{str(path)!r} is no regular file.")
    if found.st_size > _MOST_BYTES:
        raise ValueError(
            f"{str(path)!r} has {found.st_size:,} bytes; a file of ONNX has at most "
            f"{_MOST_BYTES:,}."
        )
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{str(path)!r} is no file of ONNX: {error}.") from error
    if not model.graph.node:
        raise ValueError(f"{str(path)!r} is no file of ONNX: it has no nodes.")
    return model


def _check_versions(onnx, model):
    """Raise ValueError unless the operator sets are known."""
    newest = onnx.defs.onnx_opset_version()
    opset = opset_of(model)
    if not _OLDEST_OPSET <= opset <= newest:
        raise ValueError(
            f"the model has opset {opset}; {_OLDEST_OPSET} to {newest} can be read. "
            + (
                "Update onnx."
                if opset > newest
                else "Convert it by onnx.version_converter."
            )
        )
    if len(model.graph.node) > MOST_NODES:
        raise ValueError(
            f"the model has {len(model.graph.node):,} nodes; up to {MOST_NODES:,} can "
            "be read."
        )


def opset_of(model):
    """The version of the operators of ONNX itself; 0 without one."""
    return max((o.version for o in model.opset_import if o.domain in _ONNX), default=0)


def kind_of(node):
    """The operator of a node, with its domain unless that is ONNX or ai.onnx.ml."""
    if node.domain in (*_ONNX, _ML):
        return node.op_type
    return f"{node.domain}.{node.op_type}"


def attributes(node):
    """The attributes of a node by name; tensors stay as they are."""
    onnx = needs_onnx()
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def array_of(tensor, folder):
    """The array of a TensorProto, its sizes checked before it is made.

    Parameters
    ----------
    tensor : onnx.TensorProto
    folder : Path or None
        Where weights in another file may be.

    Raises
    ------
    ValueError
        If there are other numbers than the shape says, or of a type that weights,
        shapes and labels do not have.
    """
    onnx = needs_onnx()
    what, dims = f"the tensor {tensor.name[:99]!r}", list(tensor.dims)
    types = onnx.TensorProto.DataType
    known = tensor.data_type in types.values()
    kind = types.Name(tensor.data_type) if known else tensor.data_type
    if kind not in _FIELDS:
        raise ValueError(f"{what} has the type {kind}, which weights do not have.")
    if min(dims, default=0) < 0 or len(dims) > 8 or tensor.HasField("segment"):
        raise ValueError(f"{what} has the impossible shape {dims[:9]}.")
    count = math.prod(dims)
    is_raw = tensor.HasField("raw_data")
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    size = 2 if kind == "BFLOAT16" else dtype.itemsize  # some onnx make it float32
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        tensor = _with_external(onnx, tensor, folder, what, count * size)
    elif is_raw and kind != "STRING":
        _check_size(what, dims, len(tensor.raw_data), count * size, "bytes")
    else:
        found = len(getattr(tensor, _FIELDS[kind]))
        _check_size(what, dims, found, count, "values")
    array = onnx.numpy_helper.to_array(tensor)
    if kind == "STRING":
        texts = np.empty(count, object)
        texts[:] = [_text(item) for item in array.ravel()]
        return texts.reshape(dims)
    return array.astype(np.float32) if kind == "BFLOAT16" else array


def _check_size(what, dims, found, needed, unit):
    """Raise ValueError unless there is what a shape needs."""
    if found != needed:
        raise ValueError(
            f"{what} of shape {dims} needs {needed:,} {unit}, and there are {found:,}: "
            "the file is damaged or cut off."
        )


def _text(value):
    """A text of a file, which may be bytes."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _with_external(onnx, tensor, folder, what, needed):
    """A tensor with its bytes, which another file in the same folder holds."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if folder is None:
        raise ValueError(
            f"{what} is in another file, {name[:99]!r}; give the path of the model, or "
            "load it by onnx.load."
        )
    path = folder / name
    is_inside = name not in ("", ".", "..") and Path(name).name == name
    if not is_inside or not path.exists() or not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(
            f"{what} is in another file, {name[:99]!r}, which must be a regular file "
            "in the folder of the model."
        )
    size = path.stat().st_size
    if needed > _MOST_BYTES:
        raise ValueError(
            f"{what} of shape {list(tensor.dims)} needs {needed:,} bytes; up to "
            f"{_MOST_BYTES:,} are read from {name!r}."
        )
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", needed))
    except ValueError:
        offset = length = -1
    if offset < 0 or length != needed or offset + length > size:
        raise ValueError(
            f"{what} of shape {list(tensor.dims)} needs {needed:,} bytes, and "
            f"{entries} of the {size:,} bytes of {name!r} are not these: that is "
            "another file, or it is damaged or cut off."
        )
    with open(path, "rb") as file:
        file.seek(offset)
        found = onnx.TensorProto(dims=tensor.dims, data_type=tensor.data_type)
        found.raw_data = file.read(length)
    return found
