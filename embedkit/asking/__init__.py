"""Answers from a collection: what was found, with what follows it, and what is said of it."""
