"""The catalog as files: catalog-info.yaml documents in a folder, as Backstage reads them."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import structlog

from shared.incident import CoverageStatus
from shared.moment import Deadline
from shared.settings import Section, setting
from worker.catalog_model import yaml_documents
from worker.catalog_model.entities import components, ref_of
from worker.catalog_model.matching import MATCHED_KINDS, Directory, closest
from worker.catalog_model.reach import around
from worker.inquiry import AlertSubject, CatalogMatch, Component, SourceFailure

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_BYTES_PER_FILE: Final = 1024 * 1024
MOST_DOCUMENTS: Final = 50_000

LOOK_SECONDS: Final = 5.0
"""How often at most the files are looked at: in a storm every one of thousands would be for each incident."""

_SUFFIXES: Final = (".yaml", ".yml")
_NO_PART_OF_IT: Final = ("location", "template")

_log = structlog.get_logger(__name__)


class Config(Section):
    """Where the catalog's files are."""

    folder: Path | None = setting(
        "WHYDOWN_CATALOG",
        default=None,
        description="Folder or file of catalog-info.yaml documents: *.yaml and *.yml, folders within it included. "
        "Read again whenever they change.",
    )


@dataclass(frozen=True, slots=True)
class _File:
    """One file as it was when it was read."""

    stamp: tuple[int, int]
    """Time of its last change in nanoseconds, and size."""
    documents: tuple[Mapping[str, Any], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What all files say together."""

    stamps: dict[str, tuple[int, int]]
    components: dict[str, Component]
    directory: Directory
    problems: tuple[str, ...] = ()

    @property
    def gaps(self) -> str:
        """What could not be read, in words; empty when all was."""
        count = len(self.problems)
        return f"; {count} of its documents could not be read, the first is {self.problems[0]}" if count else ""


class CatalogFiles:
    """Matches alerts against catalog-info.yaml files, which it reads again when they change."""

    configure: ClassVar[str] = "WHYDOWN_CATALOG (a folder of catalog-info.yaml files)"

    def __init__(self, root: Path) -> None:
        """`root` is the folder, or a single file."""
        self._root = root
        self._files: dict[str, _File] = {}
        self._snapshot: _Snapshot | None = None
        self._looked = 0.0
        self._reading = threading.Lock()

    @classmethod
    def from_settings(cls) -> Self | None:
        """The catalog in WHYDOWN_CATALOG, or None when that is unset."""
        folder = Config.read().folder
        return cls(folder) if folder is not None else None

    def match(self, subject: AlertSubject, deadline: Deadline) -> CatalogMatch:
        """The alert's component. Raises SourceFailure when the folder cannot be read or holds no entity."""
        snapshot = self._read(deadline)
        found = snapshot.directory.choose(subject)
        if found is None:
            known = [item.name for item in _matched(snapshot)]
            how = f"not among the {len(known)} entities of the catalog{snapshot.gaps}"
            return CatalogMatch(how=how, closest=closest(subject, known))
        component, how = found
        return CatalogMatch(component=component, how=how, neighbours=around(component, snapshot.components))

    def refs(self, deadline: Deadline) -> tuple[str, ...]:
        """The refs of all components, resources and systems. Raises SourceFailure."""
        return tuple(item.ref for item in _matched(self._read(deadline)))

    def probe(self, deadline: Deadline) -> str:
        """How many entities there are, and what could not be read."""
        snapshot = self._read(deadline)
        return f"{len(snapshot.components)} entities in {len(snapshot.stamps)} files{snapshot.gaps}"

    def _read(self, deadline: Deadline) -> _Snapshot:
        with self._reading:
            if self._snapshot is not None and time.monotonic() - self._looked < LOOK_SECONDS:
                return self._snapshot
            stamps = dict(self._stamps())
            if self._snapshot is None or self._snapshot.stamps != stamps:
                left = MOST_BYTES
                # What was read stays, so that a catalog too large for one deadline is read by the next.
                self._files = {path: file for path, file in self._files.items() if stamps.get(path) == file.stamp}
                for path, stamp in stamps.items():
                    deadline.remaining()
                    if path not in self._files:
                        self._files[path] = _read_file(path, stamp, left)
                    left -= stamp[1]
                self._snapshot = self._combine(stamps)
            self._looked = time.monotonic()
            return self._snapshot

    def _combine(self, stamps: dict[str, tuple[int, int]]) -> _Snapshot:
        files = [self._files[path] for path in stamps]
        documents = [document for file in files for document in file.documents]
        problems = [problem for file in files for problem in file.problems]
        if len(documents) > MOST_DOCUMENTS:
            problems.append(f"all after the first {MOST_DOCUMENTS} documents")
        entities = components(documents[:MOST_DOCUMENTS])
        if not entities:
            first = f"; {problems[0]}" if problems else ""
            raise SourceFailure(
                CoverageStatus.ERROR,
                f"WHYDOWN_CATALOG: no entity in the {len(files)} YAML files of {self._root}{first}",
            )
        if problems:
            _log.warning("catalog_documents_skipped", count=len(problems), first=problems[0])
        return _Snapshot(stamps, entities, Directory(entities.values()), tuple(problems))

    def _stamps(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Every file with its stamp, in order of path, so that the same of two equal refs always counts."""
        try:
            root = self._root.resolve(strict=True)
            if root.is_file():
                status = root.stat()
                yield str(root), (status.st_mtime_ns, status.st_size)
                return
            found = _yaml_files(str(root))
        except OSError as error:
            raise SourceFailure(
                CoverageStatus.ERROR, f"WHYDOWN_CATALOG: {self._root} cannot be read ({error.strerror})"
            ) from None
        found.sort(key=lambda entry: entry.path.replace(os.sep, "\0"))  # folder by folder
        for entry in found[:MOST_FILES]:
            try:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    target = Path(entry.path).resolve(strict=True)
                    status = target.stat() if target.is_relative_to(root) else status
            except (OSError, RuntimeError):
                # Gone since, a link to nowhere, or (RuntimeError) one that leads to itself.
                continue
            if stat.S_ISREG(status.st_mode):
                yield entry.path, (status.st_mtime_ns, status.st_size)


def _matched(snapshot: _Snapshot) -> list[Component]:
    return [item for item in snapshot.components.values() if item.kind.lower() in MATCHED_KINDS]


def _yaml_files(root: str) -> list[os.DirEntry[str]]:
    """Files under `root`, hidden folders aside: .git, and the copies behind a mounted ConfigMap's links."""
    found: list[os.DirEntry[str]] = []
    folders = [root]
    while folders and len(found) <= MOST_FILES:
        folder = folders.pop()
        inside = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        inside += [] if entry.name.startswith(".") else [entry.path]
                    elif entry.name.lower().endswith(_SUFFIXES):
                        found.append(entry)
        except OSError:
            # That of a folder inside is left to the entities that will be missing.
            if folder == root:
                raise
        folders += sorted(inside, reverse=True)
    return found


def _read_file(name: str, stamp: tuple[int, int], bytes_left: int) -> _File:
    path = Path(name)
    if stamp[1] > min(bytes_left, MOST_BYTES_PER_FILE):
        return _File(stamp, problems=(f"{path.name}: larger than what is read of the catalog",))
    try:
        text = path.read_bytes()[:MOST_BYTES_PER_FILE].decode("utf-8", "replace")
    except OSError as error:
        return _File(stamp, problems=(f"{path.name}: {error.strerror}",))
    documents, problems = [], []
    for number, part in enumerate(yaml_documents.split(text), 1):
        try:
            document = yaml_documents.read(part)
        except yaml_documents.MalformedDocument as malformed:
            problems.append(f"{path.name} document {number}: {malformed}")
            continue
        if _is_none_of_ours(document):
            continue
        if ref_of(document) is None:
            problems.append(f"{path.name} document {number}: no entity (kind and metadata.name are needed)")
        else:
            documents.append(document)
    return _File(stamp, tuple(documents), tuple(problems))


def _is_none_of_ours(document: object) -> bool:
    """Whether it is another tool's document, or one that only tells Backstage where to read or what to make."""
    if not isinstance(document, dict):
        return False
    version, kind = document.get("apiVersion") or "backstage.io/v1alpha1", document.get("kind")
    return "backstage.io/" not in str(version) or str(kind).lower() in _NO_PART_OF_IT
