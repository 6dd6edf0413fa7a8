"""Semantic search and text classification over managed or local embeddings.

::

    import embedkit

    questions = embedkit.open("questions")
    questions.index("questions.csv", text="question", id="id")
    questions.search("how do I get my money back?", k=5)

Importing embedkit loads no library; the first use of a name loads what that name needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from embedkit.adapters.files import SavedAdapter
    from embedkit.adapters.fit import fit_adapter
    from embedkit.api import (
        cache,
        collections,
        dedupe,
        delete,
        embedder,
        finetune,
        generator,
        index,
        open,  # noqa: A004
        reranker,
    )
    from embedkit.caching.spaces import CacheInfo
    from embedkit.classification.api import (
        classifier,
        classifiers,
        classify,
        delete_classifier,
        train,
    )
    from embedkit.classification.audit.run import audit_labels
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.estimator import TextClassifier
    from embedkit.classification.predictions import Predictions
    from embedkit.classification.zero_shot import zero_shot
    from embedkit.collection import Collection
    from embedkit.errors import EmbedkitError
    from embedkit.evaluation.calibrating import calibrate
    from embedkit.evaluation.classifier import evaluate_classifier
    from embedkit.evaluation.index_recall import IndexEvaluation, IndexPoint, evaluate_index
    from embedkit.evaluation.label_results import LabelEvaluation
    from embedkit.evaluation.results import SearchEvaluation
    from embedkit.evaluation.search import evaluate_search
    from embedkit.finetuning.report import FineTuned
    from embedkit.generators.decoding.show import show_decoding
    from embedkit.prompts.api import run_prompt
    from embedkit.prompts.library import prompt, prompt_for, prompt_templates
    from embedkit.prompts.template import PromptTemplate
    from embedkit.ranking.rank import rank_candidates
    from embedkit.summarizing.pipeline import summarize
    from embedkit.types import (
        AdapterMeasure,
        AdapterReport,
        Answer,
        Candidate,
        ClassifierInfo,
        CollectionInfo,
        Decoding,
        DecodingStep,
        DedupeReport,
        Embeddings,
        Excerpt,
        Explanation,
        Finding,
        Hit,
        Hits,
        IndexMeasurement,
        IndexTrial,
        LabellingReport,
        Member,
        Message,
        MigrationReport,
        Neighbors,
        Pair,
        Passage,
        Portrait,
        Prediction,
        RankedCandidate,
        Ranking,
        Record,
        Reject,
        Rejection,
        Report,
        RunInfo,
        SearchPlan,
        Statement,
        Token,
        TokenChoice,
        TrainingReport,
        Why,
        WordShare,
    )
    from embedkit.types.audit import Audit
    from embedkit.types.summaries import Summary

_WHERE = {
    "open": "api",
    "cache": "api",
    "collections": "api",
    "dedupe": "api",
    "delete": "api",
    "embedder": "api",
    "finetune": "api",
    "generator": "api",
    "index": "api",
    "reranker": "api",
    "run_prompt": "prompts.api",
    "prompt": "prompts.library",
    "prompt_for": "prompts.library",
    "prompt_templates": "prompts.library",
    "PromptTemplate": "prompts.template",
    "audit_labels": "classification.audit.run",
    "Audit": "types.audit",
    "calibrate": "evaluation.calibrating",
    "fit_adapter": "adapters.fit",
    "SavedAdapter": "adapters.files",
    "AdapterMeasure": "types",
    "AdapterReport": "types",
    "evaluate_index": "evaluation.index_recall",
    "IndexEvaluation": "evaluation.index_recall",
    "IndexPoint": "evaluation.index_recall",
    "evaluate_search": "evaluation.search",
    "SearchEvaluation": "evaluation.results",
    "evaluate_classifier": "evaluation.classifier",
    "LabelEvaluation": "evaluation.label_results",
    "classifier": "classification.api",
    "classifiers": "classification.api",
    "classify": "classification.api",
    "delete_classifier": "classification.api",
    "train": "classification.api",
    "Classifier": "classification.classifier",
    "TextClassifier": "classification.estimator",
    "Predictions": "classification.predictions",
    "zero_shot": "classification.zero_shot",
    "summarize": "summarizing.pipeline",
    "Summary": "types.summaries",
    "FineTuned": "finetuning.report",
    "rank_candidates": "ranking.rank",
    "show_decoding": "generators.decoding.show",
    "Collection": "collection",
    "EmbedkitError": "errors",
    "CacheInfo": "caching.spaces",
    "Answer": "types",
    "Excerpt": "types",
    "Statement": "types",
    "Candidate": "types",
    "ClassifierInfo": "types",
    "LabellingReport": "types",
    "CollectionInfo": "types",
    "Decoding": "types",
    "DecodingStep": "types",
    "DedupeReport": "types",
    "Embeddings": "types",
    "Finding": "types",
    "Hit": "types",
    "IndexMeasurement": "types",
    "IndexTrial": "types",
    "Member": "types",
    "Message": "types",
    "MigrationReport": "types",
    "Neighbors": "types",
    "Pair": "types",
    "RankedCandidate": "types",
    "Ranking": "types",
    "Record": "types",
    "Reject": "types",
    "Rejection": "types",
    "Report": "types",
    "RunInfo": "types",
    "Hits": "types",
    "Passage": "types",
    "SearchPlan": "types",
    "Why": "types",
    "Explanation": "types",
    "Portrait": "types",
    "WordShare": "types",
    "Token": "types",
    "TokenChoice": "types",
    "Prediction": "types",
    "TrainingReport": "types",
}

__all__ = [
    "AdapterMeasure",
    "AdapterReport",
    "Answer",
    "Audit",
    "CacheInfo",
    "Candidate",
    "Classifier",
    "ClassifierInfo",
    "Collection",
    "CollectionInfo",
    "Decoding",
    "DecodingStep",
    "DedupeReport",
    "Embeddings",
    "EmbedkitError",
    "Excerpt",
    "Explanation",
    "Finding",
    "FineTuned",
    "Hit",
    "Hits",
    "IndexEvaluation",
    "IndexMeasurement",
    "IndexPoint",
    "IndexTrial",
    "LabelEvaluation",
    "LabellingReport",
    "Member",
    "Message",
    "MigrationReport",
    "Neighbors",
    "Pair",
    "Passage",
    "Portrait",
    "Prediction",
    "Predictions",
    "PromptTemplate",
    "RankedCandidate",
    "Ranking",
    "Record",
    "Reject",
    "Rejection",
    "Report",
    "RunInfo",
    "SavedAdapter",
    "SearchEvaluation",
    "SearchPlan",
    "Statement",
    "Summary",
    "TextClassifier",
    "Token",
    "TokenChoice",
    "TrainingReport",
    "Why",
    "WordShare",
    "__version__",
    "audit_labels",
    "cache",
    "calibrate",
    "classifier",
    "classifiers",
    "classify",
    "collections",
    "dedupe",
    "delete",
    "delete_classifier",
    "embedder",
    "evaluate_classifier",
    "evaluate_index",
    "evaluate_search",
    "finetune",
    "fit_adapter",
    "generator",
    "index",
    "open",
    "prompt",
    "prompt_for",
    "prompt_templates",
    "rank_candidates",
    "reranker",
    "run_prompt",
    "show_decoding",
    "summarize",
    "train",
    "zero_shot",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'embedkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"embedkit.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
