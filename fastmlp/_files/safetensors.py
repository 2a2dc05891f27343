"""The container of our files: safetensors (JSON header, raw tensors), with a checksum.

Layout, see https://github.com/huggingface/safetensors and
docs/promises/file-format.md: 8 bytes little-endian length of the header, the header in
JSON, the tensors without gaps. Reading runs no code, and every size is held against the
length of the file before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import mmap
import os
import re
import tempfile
import zlib
from pathlib import Path

import numpy as np

DTYPES = {
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
    "F32": "<f4",
    "I32": "<i4",
    "U32": "<u4",
    "I16": "<i2",
    "U16": "<u2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
_CODES = {np.dtype(text): code for code, text in DTYPES.items()}
_ALIGNMENT = 64
_MOST_HEADER = 2**24  # bytes
_CHECKSUM = "checksum"
_NO_CHECKSUM = "0" * 8


def tensor_code(dtype):
    """The name of a dtype in the header, or None if the format has none."""
    return _CODES.get(np.dtype(dtype).newbyteorder("<"))


def check_path(path):
    """Raise TypeError unless this is a path; a number would be a file descriptor."""
    is_path = isinstance(path, str | os.PathLike)
    if not is_path or not isinstance(os.fspath(path), str):
        raise TypeError(
            f"path must be a str or an os.PathLike such as pathlib.Path, got {path!r}."
        )


def atomic_write(path, chunks):
    """Write a file as a whole or not at all, also when the machine stops.

    A temporary file in the same folder is written, synchronised and renamed; then the
    folder is synchronised. Of a symbolic link the target is replaced, and the link
    stays. What is no regular file, such as a pipe or a device, is written as it is.

    Parameters
    ----------
    path : str or path-like
    chunks : iterable of bytes-like
    """
    check_path(path)
    path = Path(path)
    if path.exists() and not path.is_file():
        with open(path, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
        return
    path = _target(path)
    fd, temporary = tempfile.mkstemp(".tmp", _temporary_prefix(path), path.parent)
    try:
        with open(fd, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        _grant_usual_permissions(temporary, path)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _synchronise_folder(path.parent)


def _target(path):
    """The file that a path leads to through symbolic links."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def _temporary_prefix(path):
    """How the names of the temporary files of a path begin."""
    return f".{path.name[:64]}.part-"


def remove_left_over(path):
    """Remove the temporary files of writers of a path that were killed."""
    path = _target(path)
    prefix = _temporary_prefix(path)
    for file in path.parent.iterdir():
        if file.name.startswith(prefix) and file.name.endswith(".tmp"):
            file.unlink(missing_ok=True)


def _grant_usual_permissions(temporary, path):
    """Those of the file that is replaced, or of a new file: mkstemp's are private."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    with contextlib.suppress(OSError):
        os.chmod(temporary, mode)


def _synchronise_folder(folder):
    """Make a rename permanent, where the system can."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write(path, tensors, metadata):
    """Write tensors and texts to a file, atomically.

    Parameters
    ----------
    path : str or path-like
    tensors : dict of str to ndarray
    metadata : dict of str to str
    """
    # the widest first, so that each begins at a multiple of its item size
    names = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    header = {"__metadata__": {**metadata, _CHECKSUM: _NO_CHECKSUM}}
    arrays, end = [], 0
    for name in names:
        array = tensors[name]
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": _CODES[array.dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
        arrays.append(array.reshape(-1).view(np.uint8))
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    if len(text) > _MOST_HEADER:
        raise ValueError(
            f"the description of the model takes {len(text)} bytes, at most "
            f"{_MOST_HEADER} can be saved."
        )
    length = len(text).to_bytes(8, "little")
    checksum = zlib.crc32(length + text)
    for array in arrays:
        checksum = zlib.crc32(array, checksum)
    place = _checksum_place(text, _NO_CHECKSUM)
    text = text[:place] + f"{checksum:08x}".encode() + text[place + 8 :]
    atomic_write(path, [length, text, *arrays])


def _checksum_place(header, checksum):
    """Offset of the digits of the checksum in the bytes of a header, or -1."""
    before = f'"{_CHECKSUM}":"'.encode()
    place = header.find(before + checksum.encode() + b'"')
    return place + len(before) if place >= 0 else -1


def read(path, check=True, copy=False):
    """Read a file that ``write`` made.

    Parameters
    ----------
    path : str or path-like
    check : bool
        Whether to compare the checksum, which reads the whole file once.
    copy : bool
        Whether tensors are read into memory; else they are mapped, copy-on-write: they
        can be changed, and the file stays as it is.

    Returns
    -------
    tensors : dict of str to ndarray
    metadata : dict of str to str

    Raises
    ------
    TypeError
        If ``path`` is no path.
    ValueError
        If the file is not one of this format, or damaged.
    """
    check_path(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 10:
            raise ValueError(f"{path}: {size} bytes are too few for a model file.")
        if copy:
            memory = bytearray(file.read(size))
            size = len(memory)
        else:
            memory = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    try:
        return _parse(memory, size, check)
    except ValueError as error:
        what = _another_format(bytes(memory[:16]))
        raise ValueError(f"{path} is not a valid model file: {what or error}") from None
    except RecursionError:
        raise ValueError(f"{path} is not a valid model file: too nested.") from None


_IF_TRUSTED = "If you trust who wrote it, load it with joblib.load"
# How files begin that are taken for model files, and what is said of them.
_OTHER_FORMATS = {
    rb"\x80[\x02-\x05]|\(dp|ccopy_reg": "it is a pickle, such as pickle.dump and "
    f"joblib.dump write. {_IF_TRUSTED}",
    rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b|BZh|\xfd7zXZ|\x5d\x00\x00|\x04\x22\x4d\x18|ZF": (
        f"it is compressed, such as joblib.dump with compress= writes. {_IF_TRUSTED}"
    ),
    rb"PK\x03\x04": "it is a zip archive, such as skops.io.dump, torch.save and "
    "numpy.savez write; load it with the library that wrote it",
    rb"\x89HDF": "it is an HDF5 file, such as Keras writes",
    rb"\x93NUMPY": "it is an array of numpy.save",
    rb"\x08[\x03-\x14]\x12": "it is an ONNX model, which onnxruntime runs",
}


def _another_format(head):
    """Name of another known format by the first bytes of a file, else ''."""
    for pattern, what in _OTHER_FORMATS.items():
        if re.match(pattern, head, re.DOTALL):
            return f"{what}; fastmlp.save_model writes model files."
    return ""


def _parse(memory, size, check):
    """Tensors and metadata of the bytes of a file."""
    length = int.from_bytes(memory[:8], "little")
    if length > min(size - 8, _MOST_HEADER):
        raise ValueError(
            f"it says that its header takes {length} bytes, but {size - 8} bytes "
            f"follow (and {_MOST_HEADER} are the most)."
        )
    text = bytes(memory[8 : 8 + length])
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object.")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise ValueError("its header has no __metadata__ of texts.")
    if check:
        _compare_checksum(memory, text, metadata)
    return _tensors(memory, 8 + length, size, header), metadata


def _compare_checksum(memory, text, metadata):
    """Raise ValueError if a byte of the file is not what was written."""
    stored = metadata.get(_CHECKSUM, "")
    place = _checksum_place(text, stored)
    if len(stored) != 8 or place < 0:
        raise ValueError("its header has no checksum.")
    blank = text[:place] + _NO_CHECKSUM.encode() + text[place + 8 :]
    checksum = zlib.crc32(blank, zlib.crc32(memory[:8]))
    with memoryview(memory) as view, view[8 + len(text) :] as rest:
        checksum = zlib.crc32(rest, checksum)
    if f"{checksum:08x}" != stored:
        raise ValueError(
            f"its checksum is {checksum:08x} where {stored!r} was written; the file is "
            "damaged."
        )


def _tensors(memory, start, size, header):
    """The arrays of a header, which must fill the rest of the file without gaps."""
    tensors, end = {}, 0
    entries = [(name, *_entry(name, entry)) for name, entry in header.items()]
    for name, dtype, shape, begin, stop in sorted(entries, key=lambda entry: entry[3:]):
        if begin != end:
            raise ValueError(f"tensor {name!r} begins at {begin}, expected {end}.")
        if stop > size - start:
            raise ValueError(
                f"tensor {name!r} ends at {stop}, beyond the {size - start} bytes "
                "there are; the file is truncated."
            )
        count = math.prod(shape)
        if count * dtype.itemsize != stop - begin:
            raise ValueError(
                f"tensor {name!r} of shape {shape} and dtype {dtype} does not fill its "
                f"{stop - begin} bytes."
            )
        if math.prod(n for n in shape if n) > size:  # of an empty tensor
            raise ValueError(f"tensor {name!r} has the impossible shape {shape}.")
        array = np.empty(0, dtype)
        if count:
            array = np.frombuffer(memory, dtype, count, start + begin)
        if dtype == np.bool_:
            array = array.view(np.uint8) != 0  # a bool of another byte misleads NumPy
        tensors[name], end = array.reshape(shape), stop
    if end != size - start:
        raise ValueError(f"{size - start - end} bytes follow the last tensor.")
    return tensors


def _entry(name, entry):
    """dtype, shape and offsets of an entry of the header."""
    if not isinstance(entry, dict) or entry.keys() != {
        "dtype",
        "shape",
        "data_offsets",
    }:
        raise ValueError(f"the header does not describe tensor {name!r}.")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise ValueError(f"tensor {name!r} has the unknown dtype {code!r}.")
    for what, numbers, most in (("shape", shape, 8), ("data_offsets", offsets, 2)):
        if (
            not isinstance(numbers, list)
            or len(numbers) > most
            or not all(type(n) is int and 0 <= n < 2**63 for n in numbers)
        ):
            raise ValueError(f"tensor {name!r} has the impossible {what} {numbers!r}.")
    if len(offsets) != 2:
        raise ValueError(f"tensor {name!r} has no two offsets.")
    return np.dtype(DTYPES[code]), tuple(shape), *offsets
