"""Write what Cython needs to know of the kernels from their declaration in C.

    python declare_kernels.py src_c/kernel_table.inl.h FOLDER

The build calls it. ``kernel_table.pxi`` declares the tables of both precisions, for
table.pxd; ``kernel_calls.pxi`` has one fused function for each kernel, for kernels.pxd.

In a fused function a pointer to values is a pointer to ``floating``, a single value is
a ``double``, and an ``int`` is a ``bint``, since kernels take ints as flags. A kernel
without a pointer to values takes a last argument that tells the precision.
"""

import re
import sys
from pathlib import Path

PRECISIONS = {"f32": "float", "f64": "double"}
KERNEL = re.compile(r"(\w+) \(\*(\w+)\)\(([^)]*)\);")
PARAMETER = re.compile(r"(.*?)(\w+)")

TABLE = """\
cdef extern from "fastmlp.h" nogil:
    ctypedef struct fm_kernels_{precision}:
        ptrdiff_t lanes
{members}
"""
MEMBER = "        {returned} (*{name})({types}) noexcept nogil"
CALL = """
cdef inline {returned} {name}({parameters}) noexcept nogil:
    if floating is float:
        {keyword}fm_f32.{name}({arguments_f32})
    else:
        {keyword}fm_f64.{name}({arguments_f64})
"""


def read_kernels(text):
    """Name, returned type and parameters, (type, name) each, of all kernels in C."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    kernels = []
    for returned, name, parameters in KERNEL.findall(text):
        pairs = []
        for parameter in parameters.split(","):
            kind, label = PARAMETER.fullmatch(parameter.strip()).groups()
            pairs.append((kind.strip(), label))
        kernels.append((name, returned, pairs))
    return kernels


def table(kernels, precision):
    """The declaration of one table."""
    members = []
    for name, returned, parameters in kernels:
        types = ", ".join(kind for kind, _ in parameters)
        members.append(MEMBER.format(returned=returned, name=name, types=types))
    text = TABLE.format(precision=precision, members="\n".join(members))
    return text.replace("FM_REAL", PRECISIONS[precision])


def fused_type(kind):
    """The type in a fused function of Cython for a type of C."""
    if kind == "FM_REAL":
        return "double"
    if kind == "int":
        return "bint"
    if kind == "ptrdiff_t":
        return "Py_ssize_t"
    return kind.replace("FM_REAL", "floating")


def call(name, returned, parameters):
    """The fused function of one kernel."""
    declared = [f"{fused_type(kind)} {label}" for kind, label in parameters]
    if not any("floating" in parameter for parameter in declared):
        declared.append("const floating *precision")
    arguments = {
        precision: ", ".join(
            f"<{real}> {label}" if kind == "FM_REAL" else label
            for kind, label in parameters
        )
        for precision, real in PRECISIONS.items()
    }
    return CALL.format(
        returned=fused_type(returned),
        name=name,
        parameters=", ".join(declared),
        keyword="" if returned == "void" else "return ",
        arguments_f32=arguments["f32"],
        arguments_f64=arguments["f64"],
    )


def write(path, text):
    """Write a file unless it has that text, so that its users need no new build."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main(source, folder):
    """Write both files."""
    kernels = read_kernels(Path(source).read_text())
    heading = f"# Written by declare_kernels.py from {Path(source).name}.\n\n"
    tables = "\n".join(table(kernels, precision) for precision in PRECISIONS)
    calls = "\n".join(call(*kernel) for kernel in kernels)
    write(Path(folder) / "kernel_table.pxi", heading + tables)
    write(Path(folder) / "kernel_calls.pxi", heading + calls)


if __name__ == "__main__":
    main(*sys.argv[1:])
