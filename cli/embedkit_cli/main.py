"""The entry point, small enough that an interruption during start-up finds a handler."""

from __future__ import annotations

import os
import sys

HELP = os.path.join(os.path.dirname(__file__), "help.txt")  # noqa: PTH118, PTH120
"""What ``embedkit --help`` prints on 80 columns. Importing click and asking it costs three times
the CPU of the interpreter's own start; a test holds the two equal."""


def main() -> None:
    """Run ``embedkit`` with the arguments of the process, and leave with its exit code."""
    try:
        if not _answered_at_once(sys.argv[1:]):
            from embedkit_cli.root import cli

            cli(prog_name="embedkit")
    except KeyboardInterrupt:
        # A second Ctrl-C while the first was being answered, or one before anything had begun.
        sys.stderr.write("embedkit: interrupted\n")
        sys.exit(130)


def _answered_at_once(words: list[str]) -> bool:
    """Print help or version where that is all that was asked; return whether it was."""
    if len(words) != 1 or "_EMBEDKIT_COMPLETE" in os.environ:
        return False
    try:
        if words[0] == "--version":
            from embedkit import __version__

            text = f"embedkit {__version__}\n"
        elif words[0] in ("-h", "--help") and columns() >= 80:
            with open(HELP, encoding="utf-8") as file:  # noqa: PTH123
                text = file.read()
        else:
            return False
        # Unbuffered, so that nothing is left to be flushed into a closed pipe at exit.
        os.write(1, text.encode())
    except BrokenPipeError:
        return True
    except OSError:
        return False
    return True


def columns() -> int:
    """Return the width of the terminal, 80 where there is none."""
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
    except (OSError, ValueError):
        return 80


if __name__ == "__main__":
    main()
