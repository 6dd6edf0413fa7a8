"""What a person is told when a command does not end well: one line, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

INTERRUPTED = 130


class InterruptedWorkError(Exception):
    """A command was interrupted, and says what became of its work."""


class ClosedPipeError(Exception):
    """Whoever read our output has gone; click would take the plain error for a failure."""


@contextlib.contextmanager
def pipe_may_close() -> Iterator[None]:
    """Tell a closed pipe from a failure."""
    try:
        yield
    except BrokenPipeError as error:
        raise ClosedPipeError from error


def say(message: str) -> None:
    """Print a message to stderr, under the name of the program; lists in it stay lists."""
    from embedkit_cli.text import clean

    first, *rest = map(clean, message.splitlines() or [""])
    # A closed stderr is nobody listening: no reason to fail.
    with contextlib.suppress(OSError):
        click.echo("\n  ".join([f"embedkit: {first}", *rest]), err=True)


def say_waiting() -> None:
    """Tell a person whose terminal is stdin that it is their turn."""
    from embedkit_cli.session import is_terminal

    if is_terminal(sys.stdin):
        say("reading what you type; end it with Ctrl-D on a line of its own")


def guarded(call: Callable[[], Any]) -> int:
    """Call, turn whatever it raises into a line on stderr, and return the exit code."""
    try:
        result = call()
        _flush()
    except BaseException as error:
        if isinstance(error, (SystemExit, GeneratorExit)):
            raise
        if os.environ.get("EMBEDKIT_DEBUG"):
            import traceback

            traceback.print_exc()
        return _answer(error)
    return result if isinstance(result, int) else 0


def _answer(error: BaseException) -> int:
    from embedkit.errors import EmbedkitError

    if isinstance(error, EmbedkitError):
        say(str(error))
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.UsageError):
        say(_usage(error))
        return error.exit_code
    if isinstance(error, click.ClickException):
        say(error.format_message())
        return error.exit_code
    if isinstance(error, InterruptedWorkError):
        say(str(error))
        return INTERRUPTED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        say("interrupted")
        return INTERRUPTED
    if isinstance(error, (ClosedPipeError, BrokenPipeError)):
        _discard_stdout()
        return 0
    if isinstance(error, MemoryError):
        say("out of memory; close other programs or give embedkit less at once")
        return 1
    if isinstance(error, OSError):
        return _system(error)
    say(
        f"this is a bug in embedkit: {type(error).__name__}: {error}; "
        "run again with EMBEDKIT_DEBUG=1 for the traceback"
    )
    return 1


def _usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    # click begins sentences; a line after "embedkit:" goes on one.
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    where = error.ctx.command_path if error.ctx else "embedkit"
    return f"{message} (see {where} --help)"


def _system(error: OSError) -> int:
    """Answer what the operating system refused outside the library."""
    what = f" {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        _discard_stdout()
        say(f"cannot write{what or ' the output'}: the disk is full; free some space and run again")
        return 1
    say(f"cannot use{what or ' a file'}: {error.strerror or error}")
    return 1


def _flush() -> None:
    # Python flushes again at exit, where an error could only be printed as a traceback.
    if sys.stdout is not None:
        sys.stdout.flush()


def _discard_stdout() -> None:
    """Let what is still buffered go nowhere, so that flushing at exit fails no more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
