"""Checks and preparation of the data."""
