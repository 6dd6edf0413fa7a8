"""How far long work has come, for a person who watches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from embedkit_cli.session import is_terminal


class Progress:
    """A bar on stderr, only where a person watches it.

    Parameters
    ----------
    unit : str
        What is counted.
    """

    def __init__(self, unit: str = "rows") -> None:
        self._unit = f" {unit}"
        self._bar: Any = None
        self._stage = ""
        self.show: Callable[[str, int, int], None] | None = None

    def __enter__(self) -> Progress:
        if is_terminal(sys.stderr):
            self.show = self._show
        return self

    def of_generator(self) -> Callable[[Any], None] | None:
        """Return what a generator tells how far it is with its candidates; None as ``show``."""
        if self.show is None:
            return None

        def take(told: Any) -> None:
            if told.to_read and told.read is not None and told.read < told.to_read:
                self._show("reading", told.read, told.to_read)
            elif told.written is not None:
                self._show("writing", max(told.written, 1), 0)  # a bar of nothing counts nothing
            else:
                self._show("candidates", told.finished, told.n)

        return take

    def _show(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            from tqdm import tqdm

            self._close()
            self._stage = stage
            # A stage that counts nothing is named, and that is all.
            form = None if done or total else "{desc} ..."
            self._bar = tqdm(
                desc=stage, total=total or None, leave=False, unit=self._unit, bar_format=form
            )
        self._bar.total = total or None
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
