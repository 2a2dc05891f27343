"""Changes to docstrings that numpydoc leaves to us: ours, and scikit-learn's.

a) Headings among the parameters, written as "-- Network --", are to numpydoc parameters
   without a type. They become terms with the class ``parameter-group``, which the style
   sheet shows as headings.
b) A type that goes on in the next line of the source keeps its indentation: one blank
   is enough.
c) Inherited docstrings refer to labels in scikit-learn's own pages: their text stays,
   without a link.
"""

import re

from docutils import nodes

HEADING = re.compile(r"^(\s*)\*\*-- (.+) --\*\*$")
TYPED = re.compile(r"^\s*\*\*.+\*\* : ")
LABEL = re.compile(r":ref:`([^<`]+?) *(<[^`]*>)?`")


def finish(app, what, name, obj, options, lines):
    """Change the lines that numpydoc made of a docstring."""
    is_inherited = getattr(obj, "__module__", "").startswith("sklearn.")
    for number, line in enumerate(lines):
        line = HEADING.sub(r"\1:parameter-group:`\2`", line)
        if match := TYPED.match(line):
            line = match[0] + re.sub(" {2,}", " ", line[match.end() :])
        lines[number] = LABEL.sub(r"\1", line) if is_inherited else line


def heading(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Make the node of a heading, as a role."""
    return [nodes.inline(rawtext, text, classes=["parameter-group"])], []


def setup(app):
    """Run after numpydoc, whose priority is 500."""
    app.add_role("parameter-group", heading)
    app.connect("autodoc-process-docstring", finish, priority=900)
    return {"parallel_read_safe": True}
