"""Indexes: find the nearest of a set of vectors.

``rows`` and ``dynamic`` are what the rest of embedkit uses; a backend is one module that proposes
candidates (see ``base``), and what it proposes is filtered, completed and scored exactly above it.
"""
