"""Generators: prompt in, candidates out. One module a backend, imported when its name is used."""
