"""Extracts: the sentences of sources, how central each is, and which of them are taken."""
