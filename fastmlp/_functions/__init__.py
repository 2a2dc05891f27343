"""User-defined activations and losses."""
