"""Audit of labelled rows: wrong labels, repeats, leaks into the test rows, classes, what to label.

One module a question; :mod:`embedkit.classification.audit.run` asks them all.
"""
