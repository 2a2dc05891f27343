"""The agreement of the ranks on parameters and rows, and how a fault reads."""

from __future__ import annotations

from numbers import Real

import numpy as np

# Parameters that may differ from rank to rank: only rank 0 uses them, or each its own.
OF_A_RANK = (
    "random_state",
    "n_threads",
    "verbose",
    "max_time",
    "scoring",
    "target_score",
)
_COMPARED = (bool, int, float, str, tuple, list, dict, type(None), np.generic)


def plain(params):
    """The parameters that must agree and can be compared, as text."""
    known = {
        name: repr(value)
        for name, value in params.items()
        if name not in OF_A_RANK and isinstance(value, _COMPARED)
    }
    split = params["validation_split"]
    if split is not None and not isinstance(split, Real):
        known["validation_split"] = "rows of the rank"
    return known


def fault_of_parameters(of_ranks):
    """The error about parameters that differ, in words, or None."""
    for rank, params in enumerate(of_ranks):
        for name in params.keys() & of_ranks[0].keys():
            if params[name] != of_ranks[0][name]:
                return (
                    f"the ranks have different parameters: {name}={of_ranks[0][name]} "
                    f"on rank 0, {params[name]} on rank {rank}. Make them the same."
                )
    return None


def fault_of_rows(n_rows):
    """The error about ranks without rows, in words, or None."""
    empty = [rank for rank, n in enumerate(n_rows) if n == 0]
    if not empty:
        return None
    return (
        f"rank {empty[0]} has no rows ({len(empty)} of {len(n_rows)} ranks have none). "
        "Give each rank a row at least, or train on fewer ranks, for example with "
        "comm.Split."
    )


def fault_of_facts(of_ranks):
    """The error about data of different kinds, in words, or None."""
    for name, value in of_ranks[0].items():
        for rank, facts in enumerate(of_ranks):
            if facts[name] != value:
                return (
                    f"the ranks have different {name}: {value} on rank 0, "
                    f"{facts[name]} on rank {rank}. Pass data of the same kind on all."
                )
    return None
