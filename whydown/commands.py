"""The command line. Every command imports what it needs when it runs: `whydown --help` must be there at once."""

# ruff: noqa: PLC0415
from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

import click

_PORT = click.IntRange(1, 65535)
_FOLDER = click.Path(path_type=Path, file_okay=False)


class Checked(click.Command):
    """A command that runs only when every setting's name is known."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Raises ConfigurationError for an unknown `WHYDOWN_` name or a broken pattern of secrets."""
        from shared.redaction.installed import Config
        from shared.settings import check_names

        check_names()
        Config.read()
        return super().invoke(ctx)


class Commands(click.Group):
    """The group of all commands."""

    command_class = Checked


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="whydown")
def cli() -> None:
    """Why is it down? Takes alerts in, gathers what a human would, and says what most likely broke."""


@cli.command()
@click.option(
    "--port", type=_PORT, default=8000, show_default=True, help="Port of the pages and webhooks on 127.0.0.1."
)
@click.option("--data", type=_FOLDER, help="Folder for everything that is kept. Default: WHYDOWN_DATA, else .whydown.")
def up(port: int, data: Path | None) -> None:
    """Runs everything on this machine, until Ctrl-C."""
    from whydown.up import run

    run(port, data)


@cli.command()
@click.option("--once", is_flag=True, help="End after the diagnosis. So it does too when there is no terminal.")
@click.option(
    "--port", type=_PORT, default=8000, show_default=True, help="Port of the pages and webhooks on 127.0.0.1."
)
@click.option(
    "--data",
    type=_FOLDER,
    default=Path(".whydown/demo"),
    show_default=True,
    help="Folder of the demonstration; emptied when it starts.",
)
@click.pass_context
def demo(ctx: click.Context, once: bool, port: int, data: Path) -> None:
    """Breaks an invented service and shows what Whydown makes of it."""
    from whydown.demo import run

    ctx.exit(run(port, data, once))


@cli.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; others than loopback need tokens."
)
@click.option("--port", type=_PORT, default=8000, show_default=True, help="Port to listen on.")
def web(host: str, port: int) -> None:
    """The receiver: webhooks, API and pages."""
    from webhook.server import serve

    serve(host, port)


@cli.command()
def worker() -> None:
    """A worker. Run as many as you like."""
    from whydown.processes import run_worker

    run_worker()


@cli.command()
def beat() -> None:
    """The clock of periodic work. Run one."""
    from whydown.processes import run_beat

    run_beat()


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, default=5555, show_default=True, help="Port to listen on.")
def flower(host: str, port: int) -> None:
    """Flower, the workers' dashboard, behind a login."""
    from whydown.processes import run_flower

    run_flower(host, port)


@cli.command()
@click.option("--down-to", metavar="REVISION", help="Go back to this revision instead; what came after it is lost.")
def migrate(down_to: str | None) -> None:
    """Brings the database's schema up to date."""
    from whydown.processes import migrate as run

    print(run(down_to))


@cli.command()
@click.argument("service")
@click.option("--title", help="What is wrong, in a few words.")
@click.option(
    "--errors", type=click.File(encoding="utf-8", errors="replace"), help="File with error lines; - for standard input."
)
@click.option("--url", help="Where Whydown runs. Default: WHYDOWN_PUBLIC_URL, else http://127.0.0.1:8000.")
@click.pass_context
def analyze(ctx: click.Context, service: str, title: str | None, errors: TextIO | None, url: str | None) -> None:
    """Asks a running Whydown why SERVICE is down."""
    from whydown.client import analyze as run

    ctx.exit(run(service, title, errors.read() if errors else None, url))


@cli.command("eval")
@click.argument("cases", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every answer and the totals.")
@click.option("--show", metavar="CASE", help="Only this case, with the whole reasoning.")
@click.option("--brief-only", is_flag=True, help="Without the model, even if one is configured.")
@click.pass_context
def evaluate(ctx: click.Context, cases: Path, as_json: bool, show: str | None, brief_only: bool) -> None:
    """Answers the case folders in CASES, incidents of the past, and says how many answers are right."""
    from whydown.evaluation import run

    ctx.exit(run(cases, as_json, show, brief_only))


@cli.command()
@click.argument("incident")
@click.option("--model", metavar="NAME", help="Ask this model instead of WHYDOWN_AI_CHAT_MODEL.")
@click.option("--brief-only", is_flag=True, help="Without the model, even if one is configured.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with both diagnoses.")
@click.option("--as-case", "case", metavar="DIR", type=_FOLDER, help="Write a case folder for `whydown eval` instead.")
@click.option("--guilty", metavar="CHANGE", help="For --as-case, where the feedback does not tell: a sha, or `none`.")
@click.option("--url", help="Where Whydown runs. Default: WHYDOWN_PUBLIC_URL, else http://127.0.0.1:8000.")
@click.pass_context
def replay(ctx: click.Context, /, incident: str, **asked: Any) -> None:
    """Runs an investigation again on its frozen facts, and shows both diagnoses side by side. INCIDENT is an incident's
    id, or a file with its bundle.
    """
    from whydown.replay import Wish, run

    ctx.exit(run(incident, Wish(**asked)))


@cli.command()
@click.option("--failed", is_flag=True, required=True, help="Those that failed; nothing else can be asked for.")
@click.option("--since", required=True, metavar="TIME", help="Received since then: 90m, 2h, 7d or an RFC 3339 time.")
@click.option("--service", help="Only of this service.")
@click.option("--url", help="Where Whydown runs. Default: WHYDOWN_PUBLIC_URL, else http://127.0.0.1:8000.")
@click.pass_context
def retry(ctx: click.Context, /, failed: bool, since: str, service: str | None, url: str | None) -> None:
    """Investigates incidents again on a running Whydown, and says which."""
    from whydown.client import retry_failed as run

    ctx.exit(run(since, service, url))


@cli.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Asks everything that is configured whether it works; exit status 1 when something does not."""
    from whydown.doctor import run

    ctx.exit(run())


@cli.command()
@click.option("--markdown", is_flag=True, help="As the README's table, without values.")
def settings(markdown: bool) -> None:
    """Every setting: its meaning, its default, and where its value comes from."""
    from whydown.settings_listing import as_markdown, as_text

    print(as_markdown() if markdown else as_text())
