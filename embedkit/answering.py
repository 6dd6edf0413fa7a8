"""The part of a collection that answers questions; always from the published state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from embedkit.searching import Searching

if TYPE_CHECKING:
    from embedkit.asking.finding import Found
    from embedkit.asking.options import AskOptions, Finding, FindOptions
    from embedkit.protocols import Embedder
    from embedkit.store.view import View
    from embedkit.types import Answer, Excerpt, Vectors


class Answering(Searching):
    """Finds what bears on a question, and answers from it. Safe from several threads."""

    def passages_for(self, question: str, **options: Unpack[FindOptions]) -> list[Excerpt]:
        """Return what bears on a question, most relevant first: for a generator of your own.

        The nearest pieces of the best records (*neighbours*), each with the piece that follows it;
        what overlaps or touches is joined.

        Parameters
        ----------
        question : str
        neighbors : int, >= 1
            How many; default 2.
        chunk_tokens : int, optional
            How long a piece is, in tokens, at most; one longer sentence is a piece too. Default:
            64. A collection that keeps passages has them as its pieces, and takes no other size.
        records : int, >= 1
            How many of the best records are looked through; default 5.
        where : str, optional
            SQL over the records' own columns, as for :meth:`search`.
        mode : {"hybrid", "dense", "lexical"}
            How the records are found; ``"lexical"`` asks no model.

        Returns
        -------
        list of Excerpt
            At most ``neighbors``; none where no record matches.

        Raises
        ------
        InvalidInputError, FilterError, CollectionNotFoundError, DamagedError
        UnsupportedOperationError
            The collection holds vectors of the user's own, and the mode is not ``"lexical"``.

        Source
        ------
        Neighbours with continuations, two of them in chunks of 64 tokens: Borgeaud et al.,
        Improving language models by retrieving from trillions of tokens, ICML 2022.
        """
        from embedkit.asking.options import check_options, check_question

        finding, _ = check_options(options)
        return self._excerpts(check_question(question), finding)[0]

    def ask(self, question: str, **options: Unpack[AskOptions]) -> Answer:
        """Answer a question from what the collection holds, with sources, or say that it does not.

        What bears on the question is found as by :meth:`passages_for`, a generator draws several
        answers from it, those that it does not support are rejected, and the best of the others is
        the answer. Where nothing that was found bears on the question, no generator is asked.

        Parameters
        ----------
        question : str
        generator : str or Generator, optional
            Default: ``"extractive"``, which answers in the records' own sentences.
        n : int, >= 1
            How many answers are drawn; default 5.
        least : float
            From 0 to 1: how probable it must be that what was found bears on the question, for
            there to be an answer; default 0.5. With 0 there is one whenever there are records.
        most_words : int, optional
            Words of an answer, at most.
        context : int, optional
            Tokens that the prompt and the answer may have. Default: what the generator says, else
            4,096.
        temperature : float, optional
            How daring the generator is; default: what the prompt says.
        seed : int, optional
            The same seed gives the same answer, as far as the generator can be held to it.
        score, filters : optional
            What ranks and what rejects, as for :func:`embedkit.rank_candidates`.
        progress : callable, optional
            Called with (what, done, total).
        neighbors, chunk_tokens, records, where, mode : optional
            See :meth:`passages_for`.

        Raises
        ------
        InvalidInputError, FilterError, CollectionNotFoundError, DamagedError
        UnknownBackendError, MissingDependencyError, EmbeddingError, ProviderError
            The generator cannot be had, or all of its answers failed.

        Examples
        --------
        >>> answer = embedkit.open("handbook").ask("who approves a leave?")  # doctest: +SKIP
        >>> print(answer.text, [source.id for source in answer.sources])     # doctest: +SKIP
        """
        from embedkit.asking.options import check_options, check_question
        from embedkit.asking.pipeline import answer

        finding, asking = check_options(options)
        text = check_question(question)
        found, reader = self._excerpts(text, finding)
        return answer(text, found, asking, reader)

    def _excerpts(self, question: str, wanted: Finding) -> tuple[list[Excerpt], Embedder | None]:
        """Return the excerpts, and what may embed texts beside them, where that costs nothing."""
        from embedkit.asking.finding import excerpts

        self._existing()
        while True:
            embedder = self.embedder if wanted.mode != "lexical" else None
            vector: Vectors | None = None
            if embedder is not None:
                vector = embedder.embed([question], input_type="query")
            here = None if embedder is None or hasattr(embedder, "embed_stream") else embedder
            found = self._looked(question, vector, wanted, embedder, here)
            if found is not None:
                return excerpts(found, vector, wanted, here), here
            # The collection has changed to another model meanwhile: ask with that one.

    def _looked(
        self,
        question: str,
        vector: Vectors | None,
        wanted: Finding,
        made_by: Embedder | None,
        here: Embedder | None,
    ) -> Found | None:
        """Return what there is, or None where the collection's vectors are not of that model."""
        from embedkit.asking.finding import look

        def work(view: View) -> Found | None:
            if made_by is not None and view.manifest.model.model_id != made_by.model_id:
                return None
            return look(view, question, vector, wanted, here)

        return self._read(work)
