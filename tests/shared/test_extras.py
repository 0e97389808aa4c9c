"""A missing package is told with the extra that brings it; other failures of an import stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.extras import of_extra


def test_a_missing_package_names_its_extra() -> None:
    told = r"^boto4 is not installed: install whydown\[aws\] \(docs/install\.md"
    with pytest.raises(ConfigurationError, match=told), of_extra("aws"):
        import boto4  # type: ignore[import-not-found]  # noqa: F401


def test_what_is_there_is_imported() -> None:
    with of_extra("aws"):
        import json
    assert json.loads("1") == 1


def test_a_package_that_breaks_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("from json import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="no_such_name"), of_extra("aws"):
        import broken_package  # type: ignore[import-not-found]  # noqa: F401
