"""Write the parameters of docs/parameters*.txt into the docstrings of the estimators.

A text is edited once, there, and shown on both classes. It is written into the
sources, not inserted at import, because editors read docstrings without running code.

    python docs/write_docstrings.py

An entry holds for both classes, or for the one that it begins with. "## Name" begins a
group; its heading in the docstring, "-- Name --", is to numpydoc a parameter without a
description. References, of any of the texts, are cited by key and numbered in the order
of their citation. `tests/project/test_docstrings.py` compares.
"""

import itertools
import re
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
KINDS = ("classifier", "regressor")
FOLDERS = {"parameters": "_mlp", "parameters_tabular": "_tabular"}  # of each text
CITATION = re.compile(r"\[([a-z]+)\]_")
WIDTH = 84  # of a line, without the indentation of the docstring


def text_of(name):
    """A text by its name."""
    return (HERE / f"{name}.txt").read_text(encoding="utf-8")


def groups(text, kind):
    """{name: entries} of the groups for one of the classes."""
    found = {}
    for entry in re.split(r"\n\n(?=\S)", text.strip()):
        if entry.startswith("## "):
            entries = found[entry.removeprefix("## ")] = []
            continue
        owner, bar, own = entry.partition("| ")
        if bar and owner in KINDS:
            if owner != kind:
                continue
            entry = own
        entries.append(entry)
    return found


def sections(text, kind):
    """The sections Parameters, Attributes and References of a docstring."""
    found = groups(text, kind)
    attributes = found.pop("Attributes")
    found.pop("References")
    headed = ([f"-- {name} --", *entries] for name, entries in found.items())
    body = "\n\n".join(
        f"{title}\n----------\n" + "\n\n".join(map(broken, entries))
        for title, entries in (
            ("Parameters", itertools.chain.from_iterable(headed)),
            ("Attributes", attributes),
        )
    )
    keys = list(dict.fromkeys(CITATION.findall(body)))
    references = (
        entry for name in FOLDERS for entry in groups(text_of(name), kind)["References"]
    )
    listed = dict(re.match(r"\[([a-z]+)\] (.*)", e, re.S).groups() for e in references)
    body = CITATION.sub(lambda match: f"[{keys.index(match[1]) + 1}]_", body)
    cited = [
        textwrap.fill(
            f".. [{number}] {' '.join(listed[key].split())}",
            WIDTH,
            subsequent_indent="   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for number, key in enumerate(keys, 1)
    ]
    return body + "\n\nReferences\n----------\n" + "\n".join(cited) + "\n\n"


def broken(entry):
    """An entry whose first line goes on in the next one if it is too long."""
    head, newline, rest = entry.partition("\n")
    if len(head) > WIDTH:
        start = head.rindex(" ", 0, WIDTH - 2)
        head = f"{head[:start]} \\\n        {head[start + 1 :]}"
    return head + newline + rest


def written(source, text, kind):
    """The source of a class with the sections in its docstring."""
    of_class = source.index("\nclass ")
    first = source.index("    Parameters\n    ----------\n", of_class)
    last = source.index("    Examples\n    --------\n", first)
    new = textwrap.indent(sections(text, kind), "    ")
    return source[:first] + new + source[last:]


if __name__ == "__main__":
    for name, folder in FOLDERS.items():
        text = text_of(name)
        for kind in KINDS:
            path = HERE.parent / "fastmlp" / folder / f"{kind}.py"
            source = path.read_text(encoding="utf-8")
            if written(source, text, kind) != source:
                path.write_text(written(source, text, kind), encoding="utf-8")
                sys.stdout.write(f"{folder}/{path.name} is written anew\n")
