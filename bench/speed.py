"""Draw the table of training times of the site: ``python bench/speed.py [FILE]``.

The table is in ``docs/user_guide/speed.md`` as ``python bench`` printed it; this
makes a picture of the ratios in it (default ``docs/_static/speed.png``).
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

from plot import plot
from summary import Row

DOCS = Path(__file__).parents[1] / "docs"
LINE = re.compile(r"^\| (\d+ rows, .*?) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", re.M)


def rows_of_page(text):
    """The rows of a table of a page, as of a run of one thread, and the rivals."""
    rivals = re.search(r"ratios: (.*)", text)[1].split(" / ")
    rows = []
    for name, *cells in LINE.findall(text):
        for dtype, time, ratios in zip(("float32", "float64"), cells[::2], cells[1::2]):
            found = zip(rivals, ratios.split(" / "))
            known = {rival: float(ratio) for rival, ratio in found if ratio != "-"}
            step = float(time.split()[0])
            nan = math.nan
            rows.append(Row(name, dtype, 1, "", nan, step, nan, nan, nan, nan, known))
    return rows, rivals


def main():
    """Draw."""
    path = Path(sys.argv[1]) if sys.argv[1:] else DOCS / "_static/speed.png"
    page = DOCS / "user_guide/speed.md"
    plot(*rows_of_page(page.read_text(encoding="utf-8")), path)


if __name__ == "__main__":
    main()
