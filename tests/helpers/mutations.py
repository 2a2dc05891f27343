"""Random changes of JSON that leave it JSON, for the fuzz tests of files."""

VALUES = [None, True, -1, 0, 2**70, 0.5, "", "relu", [], {}, [[1]], {"$tuple": 3}]


def mutate_json(node, rng, share_within=0.8):
    """Remove or replace one value somewhere in a dict or list, in place.

    Parameters
    ----------
    node : dict or list
    rng : random.Random
    share_within : float
        How often a value that has values of its own is changed within.
    """
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = rng.choice(keys)
    inner = node[key]
    if isinstance(inner, dict | list) and rng.random() < share_within:
        mutate_json(inner, rng, share_within)
    elif rng.random() < 0.3 and isinstance(node, dict):
        node.pop(key)
    else:
        node[key] = rng.choice(VALUES)
