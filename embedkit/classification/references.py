"""Sentences about what texts are usually sorted by, and the directions that they span.

A handful of labelled texts cannot show which of some hundred dimensions of a vector matter. Most
tasks are about a few things, though: whether somebody likes something, what is asked for, what it
is about. What the model itself makes of sentences that differ in one such thing tells where in its
space to look. The sentences are general and the same for every task; they are embedded once by the
embedder at hand, as the texts are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Vectors

FAMILIES: tuple[tuple[tuple[str, ...], ...], ...] = (
    # how somebody judges a thing
    (
        (
            "It is good.", "I like it.", "This was excellent.", "wonderful and enjoyable",
            "highly recommended", "a great success", "I am very happy with it.",
            "It works perfectly.",
        ),
        (
            "It is bad.", "I dislike it.", "This was terrible.", "awful and boring",
            "not recommended", "a complete failure", "I am very disappointed with it.",
            "It does not work at all.",
        ),
    ),
    (("clever, moving and beautiful",), ("stupid, dull and ugly",)),
    # what is felt
    (
        ("I am so happy!",), ("I am angry about this.",), ("I feel sad and lonely.",),
        ("I am afraid of it.",), ("What a surprise!",), ("This is disgusting.",),
        ("I am calm and relaxed.",),
    ),
    # what a question asks for
    (
        ("Who was it?", "What is the name of the person?"),
        ("Where is it?", "In which country or city?"),
        ("When did it happen?", "In what year?"),
        ("How many are there?", "How much does it cost?", "How far is it?"),
        ("Why is that so?", "What is the reason?"),
        ("What does it mean?", "What is the definition?"),
        ("How do I do it?", "How does it work?"),
        ("What thing is it?", "Which animal, product or work is it?"),
        ("What does the abbreviation stand for?",),
        ("Is it true?", "Can I do that?"),
    ),
    # what somebody does by saying it
    (
        ("Please do this for me.",), ("I want to complain about it.",), ("Thank you very much.",),
        ("I would like to order.",), ("Hello, how are you?",), ("I am sorry.",),
        ("I would like to know something.",), ("I state a fact.",), ("I promise to do it.",),
        ("Stop it now!",),
    ),
    # what it is about
    (
        ("sports",), ("politics and government",), ("business and economy",),
        ("computers and software",), ("science and research",), ("health and medicine",),
        ("films, music and television",), ("travel and geography",), ("food and cooking",),
        ("money and banking",), ("law and crime",), ("school and education",),
        ("religion and belief",), ("war and the military",), ("weather and nature",),
        ("family and relationships",), ("history",), ("literature and art",),
        ("cars and transport",), ("animals and plants",), ("mathematics",),
        ("games and hobbies",),
    ),
    # how it is said
    (("formal and polite",), ("casual slang",)),
    (("This is urgent, help immediately!",), ("There is no hurry.",)),
    (("You are an idiot.",), ("You are a kind person.",)),
    (("Win a free prize, click here now!",), ("See you at the meeting tomorrow.",)),
    (("In my opinion it feels that way.",), ("The report states the figures.",)),
    (("It is certain.",), ("It may or may not be.",)),
    (("Yes, it is.",), ("No, it is not.",)),
    (("It happened in the past.",), ("It will happen in the future.",)),
    (("Something is broken and fails.",), ("Everything went well.",)),
    (("too much, more than expected",), ("too little, less than expected",)),
)  # fmt: skip
"""Families of sentences; each has poles that differ in one respect, each pole some sentences."""


def reference_texts() -> list[str]:
    """Return all sentences, in the order in which :func:`axes` takes their vectors."""
    return [text for family in FAMILIES for pole in family for text in pole]


def axes(references: Vectors) -> NDArray[np.float64]:
    """Return what the poles of each family differ in.

    Parameters
    ----------
    references : float32 array, shape (n_sentences, dim)
        The vectors of :func:`reference_texts`.

    Returns
    -------
    float64 array, shape (n_poles, dim)
        For each pole the direction from the middle of its family to it, of length
        1 / sqrt(poles of the family), so that a family of many poles counts as much as one of two;
        zeros where the model sees no difference.
    """
    found, place = [], 0
    for family in FAMILIES:
        poles = []
        for pole in family:
            mean = references[place : place + len(pole)].astype(np.float64).mean(axis=0)
            poles.append(_unit(mean))
            place += len(pole)
        middle = np.mean(poles, axis=0)
        found += [_unit(each - middle) / np.sqrt(len(poles)) for each in poles]
    return np.array(found)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.zeros_like(vector)
