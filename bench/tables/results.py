"""The results: a file of one line of JSON for each trial."""

from __future__ import annotations

import json
from pathlib import Path


class Results:
    """The results, by table, split and method; a new result is a new line.

    The last line counts where a trial is there twice, so files can be joined.  ``also``
    are files of earlier runs, which are read only.
    """

    def __init__(self, path, also=()):
        self.path = Path(path)
        self.entries = {}
        for file in (*also, self.path):
            if Path(file).is_file():
                for line in Path(file).read_text().splitlines():
                    self._take(json.loads(line))
            elif file != self.path:
                raise FileNotFoundError(f"there are no results in {file}")

    def _take(self, entry):
        self.entries[entry["table"], entry["split"], entry["method"]] = entry

    def get(self, table, split, method):
        """The result of a trial, or None."""
        return self.entries.get((table, split, method))

    def agrees(self, method, text):
        """Return whether all results under this name were made with this text."""
        found = (e["text"] for e in self.entries.values() if e["method"] == method)
        return all(other == text for other in found)

    def add(self, entry):
        """Keep a result and write it."""
        self._take(entry)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
