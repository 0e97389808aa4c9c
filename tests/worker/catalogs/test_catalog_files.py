"""The catalog as files: real files, changed under its eyes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.incident import CoverageStatus
from shared.moment import Deadline
from worker.catalogs import catalog_files
from worker.catalogs.catalog_files import CatalogFiles
from worker.inquiry import AlertSubject, SourceFailure

SEED = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: invoice-api
  description: Creates invoices
  annotations:
    github.com/project-slug: acme/invoice-api
spec:
  type: service
  owner: team-billing
  dependsOn: [resource:invoice-db, component:gone]
  consumesApis: [payment-rest]
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata: {name: invoice-db}
spec: {type: database}
"""
OTHER = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payments}
spec: {providesApis: [payment-rest]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: notification-service}
spec: {dependsOn: ['component:default/invoice-api']}
"""


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_files, "LOOK_SECONDS", 0.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "billing").mkdir()
    (tmp_path / "catalog-info.yaml").write_text(SEED)
    (tmp_path / "billing" / "more.yml").write_text(OTHER)
    return tmp_path


def subject(service: str) -> AlertSubject:
    return AlertSubject(service, "Down")


def soon() -> Deadline:
    return Deadline.after(30)


def test_a_component_comes_with_its_neighbours(root: Path) -> None:
    match = CatalogFiles(root).match(subject("Invoice-API"), soon())
    assert match.component is not None
    assert match.component.repository == "acme/invoice-api"
    assert match.component.depends_on == (
        "component:default/gone",
        "component:default/payments",
        "resource:default/invoice-db",
        "api:default/payment-rest",
    )
    assert match.component.dependents == ("component:default/notification-service",)
    assert [neighbour.name for neighbour in match.neighbours] == ["payments", "invoice-db", "notification-service"]
    assert match.how == "the alert's service is its name"


def test_a_single_file_is_a_catalog_too(root: Path) -> None:
    assert CatalogFiles(root / "catalog-info.yaml").match(subject("invoice-db"), soon()).component is not None


def test_an_unknown_service_is_answered_with_the_closest_names(root: Path) -> None:
    match = CatalogFiles(root).match(subject("invoice-app"), soon())
    assert match.component is None
    assert match.closest[0] == "invoice-api"


def test_changed_added_and_removed_files_are_noticed(root: Path) -> None:
    catalog = CatalogFiles(root)
    assert catalog.match(subject("ledger"), soon()).component is None
    (root / "ledger.yaml").write_text(SEED.replace("invoice-api", "ledger"))
    assert catalog.match(subject("ledger"), soon()).component is not None
    (root / "ledger.yaml").write_text(SEED.replace("invoice-api", "journal"))
    os.utime(root / "ledger.yaml", ns=(1, 1))
    assert catalog.match(subject("ledger"), soon()).component is None
    assert catalog.match(subject("journal"), soon()).component is not None
    (root / "ledger.yaml").unlink()
    assert catalog.match(subject("journal"), soon()).component is None


def test_in_a_storm_the_files_are_not_looked_at_for_each_incident(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = CatalogFiles(root)
    assert catalog.match(subject("invoice-api"), soon()).component is not None
    monkeypatch.setattr(catalog_files, "LOOK_SECONDS", 3600.0)
    (root / "ledger.yaml").write_text(SEED.replace("invoice-api", "ledger"))
    assert catalog.match(subject("ledger"), soon()).component is None
    monkeypatch.setattr(catalog_files, "LOOK_SECONDS", 0.0)
    assert catalog.match(subject("ledger"), soon()).component is not None


def test_a_broken_document_is_skipped_and_said_while_the_others_count(root: Path) -> None:
    (root / "broken.yaml").write_text(f"kind: [\n---\njust text\n---\n{SEED.replace('invoice-api', 'ledger')}")
    catalog = CatalogFiles(root)
    assert catalog.match(subject("ledger"), soon()).component is not None
    assert "2 of its documents could not be read, the first is broken.yaml document 1" in catalog.probe(soon())
    assert "broken.yaml" in str(catalog.match(subject("nobody"), soon()).how)


def test_bombs_are_refused_and_harm_nothing_else(root: Path) -> None:
    bomb = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (root / "aliases.yaml").write_text("\n".join(bomb))
    (root / "deep.yaml").write_text("[" * 200_000)
    (root / "large.yaml").write_text("x: " + "y" * 2_000_000)
    catalog = CatalogFiles(root)
    assert catalog.match(subject("invoice-api"), soon()).component is not None
    assert "3 of its documents" in catalog.probe(soon())


def test_other_tools_and_backstages_own_paperwork_are_passed_over(root: Path) -> None:
    (root / "k8s.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: invoice-api}\n")
    (root / "all.yaml").write_text(
        "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: all}\nspec: {targets: [./x]}\n---\n"
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: new}\n"
    )
    assert CatalogFiles(root).probe(soon()) == "4 entities in 4 files"


def test_links_out_of_the_folder_and_hidden_folders_are_not_read(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text(SEED.replace("invoice-api", "secret"))
    (root / "linked.yaml").symlink_to(outside)
    (root / "dangling.yaml").symlink_to(root / "nowhere.yaml")
    (root / "loop.yaml").symlink_to(root / "loop.yaml")
    (root / ".git").mkdir()
    (root / ".git" / "x.yaml").write_text(SEED.replace("invoice-api", "hidden"))
    # How Kubernetes mounts a ConfigMap: the file is a link into a hidden folder beside it.
    (root / "..2026").mkdir()
    (root / "..2026" / "mounted.yaml").write_text(SEED.replace("invoice-api", "mounted"))
    (root / "mounted.yaml").symlink_to("..2026/mounted.yaml")
    catalog = CatalogFiles(root)
    assert catalog.match(subject("secret"), soon()).component is None
    assert catalog.match(subject("hidden"), soon()).component is None
    assert catalog.match(subject("mounted"), soon()).component is not None


def test_references_to_other_places_are_never_resolved(root: Path) -> None:
    (root / "secret.txt").write_text("canary")
    (root / "api.yaml").write_text(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: refers\n"
        "  description: {$text: ./secret.txt}\nspec: {}\n"
    )
    component = CatalogFiles(root).match(subject("refers"), soon()).component
    assert component is not None
    assert component.description is None


@pytest.mark.parametrize("content", [None, "", "kind: ["])
def test_no_catalog_is_a_failure_and_not_an_unknown_service(tmp_path: Path, content: str | None) -> None:
    root = tmp_path / "catalog"
    if content is not None:
        root.mkdir()
        (root / "x.yaml").write_text(content)
    with pytest.raises(SourceFailure, match="WHYDOWN_CATALOG") as failure:
        CatalogFiles(root).match(subject("invoice-api"), soon())
    assert failure.value.status is CoverageStatus.ERROR


def test_a_catalog_that_vanishes_is_a_failure_too(root: Path) -> None:
    catalog = CatalogFiles(root)
    assert catalog.match(subject("invoice-api"), soon()).component is not None
    for path in list(root.rglob("*.y*ml")):
        path.unlink()
    with pytest.raises(SourceFailure):
        catalog.match(subject("invoice-api"), soon())


def test_it_is_configured_by_its_setting(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHYDOWN_CATALOG", raising=False)
    assert CatalogFiles.from_settings() is None
    monkeypatch.setenv("WHYDOWN_CATALOG", str(root))
    catalog = CatalogFiles.from_settings()
    assert catalog is not None
    assert catalog.match(subject("invoice-api"), soon()).component is not None
