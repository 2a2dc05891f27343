"""Summaries, drawings, traces and hidden features of a fitted model."""
