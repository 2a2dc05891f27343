"""Short commands for the build, which is described by meson.build and pyproject.toml.

    python setup.py develop [EXTRAS]    editable install; imports compile what changed
    python setup.py wheel               a wheel in dist/

EXTRAS are names of pyproject.toml, separated by commas: test (default), bench, lint.
Options for meson go into the environment variable SETUP_ARGS, such as
SETUP_ARGS="-Dbuildtype=debugoptimized" for bounds checks and debugging symbols.
"""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent


def pip(*arguments):
    """Run pip of this Python in the source folder."""
    subprocess.run([sys.executable, "-m", "pip", *arguments], cwd=ROOT, check=True)


def settings():
    """The options of SETUP_ARGS in the form in which pip hands them to meson."""
    options = shlex.split(os.environ.get("SETUP_ARGS", ""))
    return [f"--config-settings=setup-args={option}" for option in options]


def develop(extras="test"):
    """Install the build requirements, then the package from where it lies."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        requires = tomllib.load(file)["build-system"]["requires"]
    # An import compiles with them later, so they cannot be in an environment of pip.
    pip("install", "--quiet", *requires, "ninja")
    pip("install", "--no-build-isolation", *settings(), "--editable", f".[{extras}]")


def wheel():
    """Build a wheel in an environment of pip's own."""
    pip("wheel", "--no-deps", "--wheel-dir", "dist", *settings(), ".")


def main(arguments):
    """Run what the command line asks for."""
    match arguments:
        case ["develop"] | ["develop", _]:
            develop(*arguments[1:])
        case ["wheel"]:
            wheel()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
