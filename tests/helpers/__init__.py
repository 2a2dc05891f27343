"""Helpers of the tests: references, models, wrong calls, damaged files."""
