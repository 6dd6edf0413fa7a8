"""What was learned, on disk: a folder that can be copied, and whose files run no code when read.

A manifest names the other files, each called after its digest. It is written last, by rename, so
that whoever is interrupted while replacing what was learned leaves the old or the new, never a mix.
Every file is checked before it is read.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from embedkit.errors import (
    CollectionLockedError,
    DamagedError,
    EmbedkitError,
    FormatVersionError,
    InvalidInputError,
)
from embedkit.indexes.files import read_signed, signed
from embedkit.integrity import FileDigest, storage_error, sync_file, sync_folder, write_durably
from embedkit.store.layout import is_name
from embedkit.store.lock import WriterLock

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
Entry = dict[str, Any]
"""The name of a file and its digest."""
_OURS = re.compile(
    r"(arrays|examples)-[0-9a-f]{16}\.(safetensors|parquet)"
    r"|\.(arrays|examples)\.(safetensors|parquet)\.[0-9]+\.tmp"
)
"""What ``place`` names files: a person's own in the same folder are left alone."""
_MANIFESTS = ("classifier.json", "adapter.json")
_READS = 3
"""A reader tries so often where a writer takes away what it was about to read."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that is learned and kept.

    Attributes
    ----------
    what : str
        What an error calls it.
    shelf : str
        The folder of a home that holds those with names.
    manifest : str
    format : int
        What this version of embedkit writes and reads.
    again, make : str
        What to do where it is damaged, and where there is none.
    missing : type
        The error that there is none.
    """

    what: str
    shelf: str
    manifest: str
    format: int
    again: str
    make: str
    missing: type[EmbedkitError]

    @property
    def _article(self) -> str:
        return "an" if self.what[0] in "aeiou" else "a"

    def check_name(self, name: str) -> str:
        """Return a name, or refuse one that could not be a folder's.

        Raises
        ------
        InvalidInputError
        """
        if not is_name(name):
            raise InvalidInputError(
                f"expected {self._article} {self.what}'s name of letters, digits, '-', '_' and "
                f"'.', got {name!r}"
            )
        return name

    def place_of(self, home: Path, name: str) -> Path:
        """Return the folder of the one of this name, there or not."""
        return home / self.shelf / self.check_name(name)

    def names(self, home: Path) -> list[str]:
        """Return the names of those in a home, sorted."""
        folder = home / self.shelf
        try:
            entries = [path.name for path in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_error(error, folder, doing="read") from error
        return sorted(name for name in entries if is_name(name) and self.is_at(folder / name))

    def is_at(self, folder: Path) -> bool:
        """Whether there is one in the folder, whole or damaged."""
        return (folder / self.manifest).exists()

    def not_found(self, home: Path, name: str) -> EmbedkitError:
        """Say which ones there are instead."""
        known = self.names(home)
        if not known:
            return self.missing(
                f"no {self.what} {name!r} in {home}, which holds none",
                do=f"make it with: {self.make} --name {name}",
            )
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return self.missing(
            f"no {self.what} {name!r} in {home}", do=f"{hint}there are: {', '.join(known)}"
        )

    @contextlib.contextmanager
    def writing(self, folder: Path) -> Iterator[None]:
        """Hold a folder while what is in it is replaced; make it where it is not there.

        Raises
        ------
        StorageError
        CollectionLockedError
            Another process is writing to it.
        InvalidInputError
            It holds what another kind of thing needs.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, folder) from error
        for other in _MANIFESTS:
            if other != self.manifest and (folder / other).exists():
                raise InvalidInputError(
                    f"expected a folder for {self._article} {self.what}, {folder} holds {other}",
                    do="choose another folder",
                )
        try:
            with WriterLock(folder / "lock", folder.name):
                self._sweep(folder, self._named(folder))
                yield
        except CollectionLockedError as error:
            raise CollectionLockedError(
                error.message.replace("collection", self.what, 1), do="try again when it ends"
            ) from error

    def publish(self, folder: Path, facts: Mapping[str, Any], files: Mapping[str, Entry]) -> None:
        """Write the manifest, and delete the files of what it replaces.

        Parameters
        ----------
        facts : mapping
            JSON values, which name the files too.
        files : mapping of str to Entry
            The files that belong to it.
        """
        sync_folder(folder)
        body = {"format": self.format, "files": dict(files), **facts}
        write_durably(folder / self.manifest, json.dumps(signed(body), indent=1).encode())
        self._sweep(folder, {entry["name"] for entry in files.values()})

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return what ``publish`` wrote; the files are under ``files``.

        Raises
        ------
        ClassifierNotFoundError, AdapterNotFoundError
            As ``missing`` says.
        DamagedError, FormatVersionError
        """
        path = folder / self.manifest
        if not path.exists():
            raise self.missing(f"no {self.what} in {folder}", do=f"make one with: {self.make}")
        facts = read_signed(path, do=self.again)
        if facts.get("format") != self.format:
            raise FormatVersionError(
                f"{path} has format {facts.get('format')!r}, this embedkit reads {self.format}",
                do=f"install the embedkit that wrote it, or {self.again.partition(';')[0]}",
            )
        return facts

    def read(self, folder: Path, read: Callable[[dict[str, Any]], T]) -> T:
        """Return what ``read`` makes of the facts; damage where they are not what was written.

        Where another takes its place meanwhile, that one is read.
        """
        for _ in range(_READS - 1):
            facts = self.facts(folder)
            try:
                return self._sound(folder, facts, read)
            except DamagedError:
                if self.facts(folder) == facts:
                    raise
        return self._sound(folder, self.facts(folder), read)

    def path(self, folder: Path, entry: Mapping[str, Any]) -> Path:
        """Return the path of a file that is the one described and lies in the folder.

        Raises
        ------
        DamagedError
        """
        name = str(entry["name"])
        if Path(name).name != name:
            raise DamagedError(
                f"{folder / self.manifest} names a file elsewhere: {name}", do=self.again
            )
        FileDigest.from_dict(entry["digest"]).check(folder / name, do=self.again)
        return folder / name

    def arrays(self, folder: Path, entry: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the arrays of a file that ``place_arrays`` wrote."""
        from safetensors.numpy import load_file

        arrays: dict[str, NDArray[Any]] = load_file(self.path(folder, entry))
        return arrays

    def _sound(self, folder: Path, facts: dict[str, Any], read: Callable[[dict[str, Any]], T]) -> T:
        try:
            return read(facts)
        except EmbedkitError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            path = folder / self.manifest
            raise DamagedError(f"{path} is damaged: {error}", do=self.again) from error

    def _named(self, folder: Path) -> set[str]:
        """Return the files of what is there, none where it is no longer whole."""
        try:
            return {entry["name"] for entry in self.facts(folder)["files"].values()}
        except (EmbedkitError, KeyError, TypeError, AttributeError):
            return set()

    def _sweep(self, folder: Path, keep: set[str]) -> None:
        """Delete the files of what was replaced, and those of a writer that died."""
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in keep:
                with contextlib.suppress(OSError):
                    path.unlink()


def place(folder: Path, stem: str, ending: str, write: Callable[[Path], object]) -> Entry:
    """Write a file under the name of its digest, durably; return what names it.

    Raises
    ------
    StorageError
    """
    temporary = folder / f".{stem}{ending}.{os.getpid()}.tmp"
    try:
        write(temporary)
        sync_file(temporary)
        digest = FileDigest.of(temporary)
        name = f"{stem}-{digest.sha256[:16]}{ending}"
        temporary.replace(folder / name)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(error, folder) from error
    return {"name": name, "digest": digest.to_dict()}


def place_arrays(folder: Path, stem: str, arrays: Mapping[str, NDArray[Any]]) -> Entry:
    """Write arrays to a file of safetensors; return what names it."""
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    return place(folder, stem, ".safetensors", lambda path: save_file(whole, path))
