"""The parts of ``bench/accuracy.py``: tables, methods, trials, results, comparison.

A *table* is a set of rows with a target, a *method* is an estimator as its authors
recommend it, a *trial* is one fit of a method on one split of a table, and a *result*
is what the trial measured, one line of JSON.
"""
