"""Heads: what decides between classes, given the features of a text. One module a method."""
