"""Ranking candidates by what they say of a source, and rejecting those that cannot be trusted."""
