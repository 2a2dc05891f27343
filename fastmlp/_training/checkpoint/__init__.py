"""The state of a fit on disk."""
