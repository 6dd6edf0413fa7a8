"""Embedders: text in, vectors out. One module a backend, imported when its name is used."""
