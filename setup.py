"""Build of the extension modules; metadata stands in pyproject.toml.

Switches (environment): FASTMLP_DEBUG=1 builds with bounds checks, asserts and -O1 -g;
FASTMLP_SANITIZE=address,undefined adds the sanitizers; FASTMLP_COVERAGE=1 traces lines
for tests/driver/suite.py; FASTMLP_WERROR=1 makes warnings of the C sources errors.
"""

import os
import sys
import tomllib
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import CCompilerError, ExecError, PlatformError

DEBUG = os.environ.get("FASTMLP_DEBUG") == "1"
WERROR = os.environ.get("FASTMLP_WERROR") == "1"
COVERAGE = os.environ.get("FASTMLP_COVERAGE") == "1"
SANITIZE = os.environ.get("FASTMLP_SANITIZE", "")

NO_COMPILER = (
    "fastmlp needs a C compiler, and none works here: install build-essential and "
    "python3-dev (Debian, Ubuntu), gcc and python3-devel (Fedora), the Xcode command "
    "line tools (macOS: xcode-select --install) or the Visual Studio Build Tools "
    "(Windows), then run pip install again."
)

PYPROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
C_TABLE = PYPROJECT["tool"]["fastmlp"]["c"]
C_SOURCES = C_TABLE["sources"]
MSVC_ISA_FLAGS = {"isa_v3.c": ["/arch:AVX2"], "isa_v4.c": ["/arch:AVX512"]}
MODULES = (
    "kernels",
    "custom",
    "network",
    "step",
    "passes",
    "lanes",
    "batch",
    "prediction",
    "forward",
    "solvers",
    "permutation",
    "curvature",
)
MODULES += ("gradients", "testing")
X86_64 = ("x86_64", "amd64")


def c_flags(compiler):
    """Flags of the C sources for every instruction set."""
    if compiler == "msvc":
        return ["/O2", "/std:c11", "/fp:contract", "/openmp:experimental"]
    flags = ["-O1" if DEBUG else "-O3", "-fvisibility=hidden", *C_TABLE["flags"]]
    return flags + ["-Werror"] * WERROR + ["-g"] * DEBUG


def isa_flags(source, compiler, platform):
    """Flags of one C source for its instruction set, none off x86-64."""
    if not any(name in platform for name in X86_64):
        return []
    table = MSVC_ISA_FLAGS if compiler == "msvc" else C_TABLE["isa-flags"]
    return table.get(source, [])


class BuildExtensions(build_ext):
    """Compile the C sources each with its own flags, then the Cython modules."""

    def build_extensions(self):
        """Compile everything, or stop with the remedy for a missing compiler."""
        kind = self.compiler.compiler_type
        self.check_compiler()
        sanitize = [f"-fsanitize={SANITIZE}", "-g"] if SANITIZE else []
        profile = ["--coverage", "-O0", "-fprofile-update=atomic"] if COVERAGE else []
        objects = [
            self.compiler.compile(
                [f"src_c/{source}"],
                output_dir=self.build_temp,
                include_dirs=["src_c"],
                extra_postargs=c_flags(kind)
                + isa_flags(source, kind, self.plat_name)
                + sanitize
                + profile,
            )[0]
            for source in C_SOURCES
        ]
        for extension in self.extensions:
            if kind != "msvc":
                extension.extra_compile_args += ["-O1" if DEBUG else "-O2"]
            extension.extra_compile_args += sanitize
            extension.extra_link_args += sanitize
            if extension.name == "fastmlp._core.kernels":
                extension.extra_objects += objects
                extension.extra_link_args += ["-pthread"] * (kind != "msvc")
                extension.extra_link_args += ["--coverage"] * COVERAGE
        super().build_extensions()

    def check_compiler(self):
        """Stop with one line that names the remedy if nothing can be compiled."""
        source = Path(self.build_temp) / "check_compiler.c"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("#include <Python.h>\n")
        try:
            self.compiler.compile([str(source)], output_dir=self.build_temp)
        except (CCompilerError, ExecError, PlatformError):
            sys.exit(NO_COMPILER)

    def run(self):
        """Build, and leave the modules in the source folder as well."""
        super().run()
        # `python -m fastmlp` and `pytest` also work from the root of a clone, where
        # the source folder shadows the installed package.
        if not self.inplace and os.access("fastmlp/_core", os.W_OK):
            self.copy_extensions_to_source()


class SourceDistribution(sdist):
    """The source distribution, with all that its tests need."""

    def make_distribution(self):
        """Pack the files that setuptools finds by itself, and the rest of the tree."""
        for folder in ("tests", "docs", "bench"):
            self.filelist.graft(folder)
        for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
            self.filelist.include(name)
        self.filelist.global_exclude("*.py[cod]")
        self.filelist.prune("bench/results")
        super().make_distribution()


def extensions():
    """The Cython modules."""
    depends = [str(path) for path in sorted(Path("src_c").iterdir())]
    return cythonize(
        [
            Extension(
                f"fastmlp._core.{name}",
                [f"fastmlp/_core/{name}.pyx"],
                include_dirs=["src_c"],
                depends=depends,
                define_macros=[("CYTHON_TRACE_NOGIL", "1")] * COVERAGE,
            )
            for name in MODULES
        ],
        build_dir=None if COVERAGE else "build",  # where the plugin of coverage looks
        compiler_directives={
            "language_level": "3",
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "linetrace": COVERAGE,
        },
    )


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExtensions, "sdist": SourceDistribution},
)
