"""Checks for authors of backends: what every backend of a family must do.

Plain functions that raise AssertionError and need no test framework; the tests of embedkit run
them over every backend in its registry.
"""

from __future__ import annotations

from embedkit.testing.backends import check_index_backend
from embedkit.testing.candidate_filters import (
    CANDIDATE_FILTER_CHECKS,
    check_candidate_filter,
)
from embedkit.testing.case import IndexCase
from embedkit.testing.embedders import EMBEDDER_CHECKS, check_embedder
from embedkit.testing.generators import GENERATOR_CHECKS, check_generator
from embedkit.testing.heads import HEAD_CHECKS, check_head
from embedkit.testing.indexes import INDEX_CHECKS, check_index
from embedkit.testing.measures import clustered_vectors
from embedkit.testing.rankers import RANKER_CHECKS, check_ranker
from embedkit.testing.rerankers import RERANKER_CHECKS, check_reranker

__all__ = [
    "CANDIDATE_FILTER_CHECKS",
    "EMBEDDER_CHECKS",
    "GENERATOR_CHECKS",
    "HEAD_CHECKS",
    "INDEX_CHECKS",
    "RANKER_CHECKS",
    "RERANKER_CHECKS",
    "IndexCase",
    "check_candidate_filter",
    "check_embedder",
    "check_generator",
    "check_head",
    "check_index",
    "check_index_backend",
    "check_ranker",
    "check_reranker",
    "clustered_vectors",
]
