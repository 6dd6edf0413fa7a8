"""Every error of ours that leaves the library.

::

    EmbedkitError
    ├── InvalidInputError (ValueError)            an argument that cannot be meant
    │   ├── DimensionMismatchError                vectors of another width
    │   ├── FilterError                           a ``where`` that is not a filter
    │   ├── SettingsError                         a settings file or variable
    │   └── TemplateError                         a prompt template that is not one
    ├── UnknownBackendError (LookupError)         a name that no backend has
    ├── MissingDependencyError (ImportError)      a backend whose library is not installed
    ├── UnsupportedOperationError (NotImplementedError)
    ├── SourceError (ValueError)                  a source that cannot be read
    │   ├── SourceNotFoundError (FileNotFoundError)
    │   └── ColumnError                           which column is meant is not clear
    ├── CollectionNotFoundError (LookupError)
    ├── RecordNotFoundError (LookupError)
    ├── ClassifierNotFoundError (LookupError)
    ├── AdapterNotFoundError (LookupError)
    ├── NotFittedError (ValueError, AttributeError)   something that has learned nothing yet
    ├── ModelMismatchError (ValueError)           a collection filled by another model
    ├── EmbeddingError (RuntimeError)             a model that fails on a text
    ├── WeightsError (OSError)                    weights missing or not the known ones
    ├── StorageError (OSError)                    disk full, no permission
    │   ├── CollectionLockedError (BlockingIOError)   another process is writing
    │   ├── DamagedError                          a file is not what was written
    │   └── FormatVersionError                    written by another version of embedkit
    └── ProviderError (RuntimeError)              a remote service failed
        ├── CredentialsError                      a missing or refused key
        ├── QuotaError                            the month's allowance is used up
        ├── RejectedError                         it refuses this input, and will again
        └── UnavailableError                      it cannot be reached, or fails again and again

A message says what was expected, what was found and what to do. ``exit_code`` is what the command
line returns: 1 failed, 2 misuse, 4 a missing or refused key.
"""

from __future__ import annotations

from typing import ClassVar


class EmbedkitError(Exception):
    """Root of the tree.

    Parameters
    ----------
    message : str
        What was expected and what was found.
    do : str
        The next step, appended after a semicolon.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, do: str = "") -> None:
        super().__init__(f"{message}; {do}" if do else message)
        self.message = message
        self.do = do

    def __str__(self) -> str:
        return f"{self.message}; {self.do}" if self.do else self.message


class InvalidInputError(EmbedkitError, ValueError):
    """An argument that cannot be meant."""

    exit_code = 2


class DimensionMismatchError(InvalidInputError):
    """Vectors of another width than expected."""


class FilterError(InvalidInputError):
    """A ``where`` that is not a filter over the record's columns."""


class SettingsError(InvalidInputError):
    """A settings file or an environment variable that cannot be read."""


class TemplateError(InvalidInputError):
    """A prompt template that is not well formed, or asks for what templates cannot do."""


class UnknownBackendError(EmbedkitError, LookupError):
    """A name that no backend has."""

    exit_code = 2


class MissingDependencyError(EmbedkitError, ImportError):
    """A backend whose library is not installed."""


class UnsupportedOperationError(EmbedkitError, NotImplementedError):
    """An operation that this backend cannot do. Nothing was changed."""


class SourceError(EmbedkitError, ValueError):
    """A source that cannot be read."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """A source that is not there."""


class ColumnError(SourceError):
    """Which column is meant is not clear, or there is no such column."""

    exit_code = 2


class CollectionNotFoundError(EmbedkitError, LookupError):
    """No collection of that name in this home."""


class RecordNotFoundError(EmbedkitError, LookupError):
    """No record of that id in this collection."""


class ClassifierNotFoundError(EmbedkitError, LookupError):
    """No classifier of that name in this home."""


class AdapterNotFoundError(EmbedkitError, LookupError):
    """No adapter of that name in this home."""


class NotFittedError(EmbedkitError, ValueError, AttributeError):
    """Something that has to learn before it can do what was asked."""


class ModelMismatchError(EmbedkitError, ValueError):
    """A collection that another model filled."""


class EmbeddingError(EmbedkitError, RuntimeError):
    """A model that fails on a text; it may do others."""


class WeightsError(EmbedkitError, OSError):
    """Model weights that are missing, or not the ones that were expected."""


class StorageError(EmbedkitError, OSError):
    """The disk refused: full, read-only, no permission."""


class CollectionLockedError(StorageError, BlockingIOError):
    """Another process is writing to the collection."""


class DamagedError(StorageError):
    """A file is not what was written."""


class FormatVersionError(StorageError):
    """A collection written by a version of embedkit that this one does not know."""


class ProviderError(EmbedkitError, RuntimeError):
    """A remote service failed.

    Parameters
    ----------
    message, do : str
        As everywhere.
    status : int or None
        Status of the answer, as HTTP counts; None where there was no answer.
    """

    def __init__(self, message: str, *, do: str = "", status: int | None = None) -> None:
        super().__init__(message, do=do)
        self.status = status


class CredentialsError(ProviderError):
    """A missing or refused key."""

    exit_code = 4


class QuotaError(ProviderError):
    """The allowance of the key is used up; waiting a minute does not help."""


class RejectedError(ProviderError):
    """The service refuses this input and would refuse it again; another input may pass."""


class UnavailableError(ProviderError):
    """The service cannot be reached or fails again and again; later it may do better.

    ``reached`` is False where no connection came about, so that no input can be at fault.
    """

    def __init__(
        self, message: str, *, do: str = "", status: int | None = None, reached: bool = True
    ) -> None:
        super().__init__(message, do=do, status=status)
        self.reached = reached
