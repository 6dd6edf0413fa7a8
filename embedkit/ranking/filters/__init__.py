"""Filters: each says what is wrong with a candidate, if anything."""
