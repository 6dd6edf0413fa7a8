"""Rerankers: query and texts in, relevance out. One module a backend, imported on use."""
