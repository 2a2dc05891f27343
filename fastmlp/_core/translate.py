"""Translate some modules of Cython to C, in one process.

    python translate.py FOLDER DEPFILE MODULE.pyx... -- OPTION...

Cython takes longer to start than to translate a small module. A module is translated
only if it, a declaration or the options have changed, and its C file is written only if
that changes, so that the compiler sees no other file.
"""

import sys
from hashlib import sha256
from pathlib import Path

from Cython import __version__
from Cython.Compiler.CmdLine import parse_command_line
from Cython.Compiler.Main import compile


def translate(module, target, declarations, options):
    """Write the C file of a module, if it is to change."""
    state = sha256("\0".join([__version__, *options]).encode())
    for path in (module, *declarations):
        state.update(path.read_bytes())
    stamp = target.with_suffix(".stamp")
    if target.exists() and stamp.exists() and stamp.read_text() == state.hexdigest():
        return
    written = target.with_suffix(".new.c")
    settings, _ = parse_command_line([*options, str(module), "-o", str(written)])
    if compile(str(module), settings).num_errors:
        sys.exit(f"{module} was not translated")
    if target.exists() and target.read_bytes() == written.read_bytes():
        written.unlink()
    else:
        written.replace(target)
    stamp.write_text(state.hexdigest())


def main(folder, depfile, *arguments):
    """Translate all modules, and tell the build what they depend on."""
    at = arguments.index("--")
    modules, options = [Path(name) for name in arguments[:at]], arguments[at + 1 :]
    declarations = sorted(modules[0].parent.glob("*.pxd"))
    declarations += sorted(Path(folder).glob("*.pxi"))
    targets = [Path(folder, module.stem + ".c") for module in modules]
    for module, target in zip(modules, targets):
        translate(module, target, declarations, options)
    names = [str(path).replace(" ", "\\ ") for path in (targets[0], *declarations)]
    Path(depfile).write_text(f"{names[0]}: {' '.join(names[1:])}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
