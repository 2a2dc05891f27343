"""The checkpoint of a fit over several ranks: rank 0 writes it, and all go on from it.

It holds the state of rank 0 alone. The weights and moments of the other ranks are the
same, and their orders of rows follow from the generator of rank 0 and the number of
epochs.
"""

from __future__ import annotations

from hashlib import blake2b


class SharedCheckpoint:
    """The checkpoint of rank 0, with the data of all ranks in its identity.

    Parameters
    ----------
    group : Group
    of_leader : Checkpoint or None
        None on the other ranks.
    """

    def __init__(self, group, of_leader):
        self.group, self.of_leader, self.identity = group, of_leader, None

    def begin(self, identity, random_state):
        """Compare the fit with the checkpoint to go on from, on rank 0."""
        self.identity = {**identity, "data": self._joint(identity["data"])}
        if self.of_leader is not None:
            self.of_leader.begin(self.identity, random_state)

    def of_training(self):
        """The checkpoint as training uses it, once the validation rows are known."""
        self.identity["validation"] = self._joint(self.identity["validation"])
        return self.of_leader

    def _joint(self, digest):
        """A hash of those of all ranks; of a single rank its own."""
        digests = self.group.share(digest)
        if len(digests) == 1 or not any(digests):
            return digest
        return blake2b(repr(digests).encode(), digest_size=16).hexdigest()
