"""The words of embedkit as types: records, hits, neighbours and reports.

Nothing here imports a library, so that everything may import this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.types.adapters import AdapterMeasure, AdapterReport
from embedkit.types.answers import Answer, Excerpt, Statement
from embedkit.types.classification import (
    HeadTrial,
    Label,
    Prediction,
    SetAside,
    Task,
    TrainingReport,
)
from embedkit.types.collections import (
    CollectionInfo,
    Finding,
    IndexMeasurement,
    IndexTrial,
    KeptVectors,
)
from embedkit.types.decoding import Decoding, DecodingStep, TokenChoice
from embedkit.types.duplicates import DedupeReport, Member, Pair
from embedkit.types.explanations import (
    ExampleRow,
    Explanation,
    Portrait,
    TypicalWord,
    WordEffect,
)
from embedkit.types.hits import Hit, Hits, Neighbors, Passage, SearchPlan, Why, WordShare
from embedkit.types.labelling import ClassifierInfo, LabellingReport, Origin
from embedkit.types.models import Candidate, Delivery, Embeddings, Message, Token
from embedkit.types.ranking import RankedCandidate, Ranking, Rejection
from embedkit.types.records import Record, Reject
from embedkit.types.runs import Estimate, MigrationReport, Report, RunInfo
from embedkit.types.words import (
    INPUT_TYPES,
    METRICS,
    MODES,
    PRECISIONS,
    InputType,
    Metric,
    Mode,
    Precision,
    Strategy,
    Value,
)

if TYPE_CHECKING:
    from embedkit.types.words import Codes as Codes
    from embedkit.types.words import Keys as Keys
    from embedkit.types.words import Mask as Mask
    from embedkit.types.words import Scores as Scores
    from embedkit.types.words import Vectors as Vectors

__all__ = [
    "INPUT_TYPES",
    "METRICS",
    "MODES",
    "PRECISIONS",
    "AdapterMeasure",
    "AdapterReport",
    "Answer",
    "Candidate",
    "ClassifierInfo",
    "CollectionInfo",
    "Decoding",
    "DecodingStep",
    "DedupeReport",
    "Delivery",
    "Embeddings",
    "Estimate",
    "ExampleRow",
    "Excerpt",
    "Explanation",
    "Finding",
    "HeadTrial",
    "Hit",
    "Hits",
    "IndexMeasurement",
    "IndexTrial",
    "InputType",
    "KeptVectors",
    "Label",
    "LabellingReport",
    "Member",
    "Message",
    "Metric",
    "MigrationReport",
    "Mode",
    "Neighbors",
    "Origin",
    "Pair",
    "Passage",
    "Portrait",
    "Precision",
    "Prediction",
    "RankedCandidate",
    "Ranking",
    "Record",
    "Reject",
    "Rejection",
    "Report",
    "RunInfo",
    "SearchPlan",
    "SetAside",
    "Statement",
    "Strategy",
    "Task",
    "Token",
    "TokenChoice",
    "TrainingReport",
    "TypicalWord",
    "Value",
    "Why",
    "WordEffect",
    "WordShare",
]
