"""``embedkit classify``."""

from __future__ import annotations

import click

from embedkit_cli.lazy import LazyGroup
from embedkit_cli.options import standing

COMMANDS = {
    "train": (
        "embedkit_cli.commands.classify_train:train",
        "Train a classifier on labelled rows.",
    ),
    "predict": (
        "embedkit_cli.commands.classify_predict:predict",
        "Label the rows of a file, or single texts.",
    ),
    "evaluate": (
        "embedkit_cli.commands.classify_evaluate:evaluate",
        "Measure how good a classifier is, and what its probabilities are worth.",
    ),
    "audit": (
        "embedkit_cli.commands.classify_audit:audit",
        "Find wrong labels, repeats, leaks, and what to label next.",
    ),
    "finetune": (
        "embedkit_cli.commands.classify_finetune:finetune",
        "Fine-tune a model on labelled texts, and say whether it helped.",
    ),
    "zero-shot": (
        "embedkit_cli.commands.classify_zero_shot:zero_shot",
        "Make a classifier of labels alone.",
    ),
    "explain": (
        "embedkit_cli.commands.classify_explain:explain",
        "Show why a text has a label, and what each label looks like.",
    ),
    "adapt": (
        "embedkit_cli.commands.classify_adapt:adapt",
        "Learn what to add to vectors so that labels or pairs come out.",
    ),
    "list": ("embedkit_cli.commands.classify_list:list_", "List the classifiers of the home."),
    "show": ("embedkit_cli.commands.classify_show:show", "Describe a classifier."),
    "delete": ("embedkit_cli.commands.classify_delete:delete", "Delete a classifier."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    example="embedkit classify train questions.csv --text question --label topic\n"
    'embedkit classify predict --name questions -q "can I pay later?"',
)
@standing
def classify() -> None:
    """Label texts by classifiers that learn from labelled rows.

    A classifier is trained once, under a name, and kept in the home. It says how sure it is of each
    label, and when a text is like nothing that it has seen.
    """
