"""The demonstration's git repositories: two weeks of plausible history, one commit of which breaks invoice-api."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.errors import WhydownError
from shared.moment import rfc3339


@dataclass(frozen=True, slots=True)
class _Commit:
    before: timedelta
    """How long before the alert."""
    message: str
    files: dict[str, str]


def make_repositories(folder: Path, at: datetime) -> str:
    """Makes the repositories with their history up to `at`. Gives the guilty commit's sha.

    Raises WhydownError when there is no git.
    """
    _make(folder / "acme" / "payment-gateway", _PAYMENT_GATEWAY, at)
    shas = _make(folder / "acme" / "invoice-api", _INVOICE_API, at)
    return shas[_GUILTY]


def _make(folder: Path, history: tuple[_Commit, ...], at: datetime) -> dict[str, str]:
    """The sha of each commit by its message."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    shas = {}
    for commit in history:
        for name, text in commit.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", f"--message={commit.message}", date=rfc3339(at - commit.before))
        shas[commit.message] = _git(folder, "rev-parse", "HEAD")
    return shas


def _git(folder: Path, *arguments: str, date: str | None = None) -> str:
    # Nothing of the user's own git: no signing, no hooks, no templates, no repository around this one.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_DIR": str(folder / ".git"),
        "GIT_WORK_TREE": str(folder),
        **{f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _AUTHOR.items()},
        **({"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}),
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", *arguments],  # noqa: S607
            env=environment,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise WhydownError("the demonstration needs git: install it, for instance with `apt-get install git`") from None
    except subprocess.CalledProcessError as failure:
        raise WhydownError(f"git {arguments[0]} failed: {failure.stderr.strip()}") from None
    return done.stdout.strip()


_AUTHOR: Final = {"NAME": "demo", "EMAIL": "demo@example.test"}
_GUILTY: Final = "refactor config to use Server= syntax"

_GOTCHA: Final = """\
# GOTCHA

What one has to know before changing invoice-api.

## GOALS
- An invoice that was accepted is never lost.

## HEURISTICS
- No secrets in code - all from environment variables: the connection string comes from DB_CONNECTION.
- Npgsql wants `Host=` in its connection string. `Server=` is SQL Server's word for it.
- A failed publish to Service Bus must not fail the request: the outbox sends it again.
- Money is decimal, never double.

## OUT OF SCOPE
- Payments: payment-gateway takes those.
"""

_DATABASE: Final = """\
using Npgsql;

namespace Acme.Invoices;

public static class Database
{
    private static readonly string Connection =
        $"%s={Setting("DB_HOST")};Port=5432;Database=invoices;Username=invoices;Password={Setting("DB_PASSWORD")}";

    public static async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(Connection);
        await connection.OpenAsync();
        return connection;
    }

    private static string Setting(string name) =>
        Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");
}
"""

_PROJECT: Final = """\
<Project Sdk="Microsoft.NET.Sdk.Web">
  <ItemGroup>
    <PackageReference Include="Npgsql" Version="%s" />
  </ItemGroup>
</Project>
"""

_README: Final = "# invoice-api\n\nCreates, sends and stores invoices.\n\nRun it with `dotnet run`.\n"

_INVOICE_API: Final = (
    _Commit(
        timedelta(days=13),
        "Import the invoice API",
        {
            "README.md": _README,
            "GOTCHA.md": _GOTCHA,
            "InvoiceApi.csproj": _PROJECT % "9.0.2",
            "src/Database.cs": _DATABASE % "Host",
            "src/Totals.cs": "public static class Totals { public const int Digits = 2; }\n",
            "appsettings.json": '{ "Paging": { "Size": 50 } }\n',
        },
    ),
    _Commit(
        timedelta(days=9), "Page the list of invoices by 100", {"appsettings.json": '{ "Paging": { "Size": 100 } }\n'}
    ),
    _Commit(
        timedelta(days=6),
        "Round totals half to even",
        {"src/Totals.cs": "public static class Totals { public static decimal Of(decimal x) => Round(x, 2); }\n"},
    ),
    _Commit(timedelta(hours=27), "Bump Npgsql from 9.0.2 to 9.0.3", {"InvoiceApi.csproj": _PROJECT % "9.0.3"}),
    _Commit(timedelta(minutes=24), _GUILTY, {"src/Database.cs": _DATABASE % "Server"}),
    _Commit(
        timedelta(minutes=15), "Say in the README which .NET is needed", {"README.md": _README + "\nNeeds .NET 9.\n"}
    ),
)

_PAYMENT_GATEWAY: Final = (
    _Commit(
        timedelta(days=20),
        "Import the payment gateway",
        {"README.md": "# payment-gateway\n", "main.go": "package main\n"},
    ),
    _Commit(
        timedelta(hours=6), "Log the duration of each capture", {"main.go": "package main\n\n// durations are logged\n"}
    ),
)
