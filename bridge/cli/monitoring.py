"""``bridge monitoring``: what Prometheus and Grafana need to watch the bridge."""

from __future__ import annotations

from pathlib import Path

import click

SHIPPED = Path(__file__).resolve().parent.parent / "monitoring"
FILES = ("dashboard.json", "alerts.yaml", "RUNBOOK.md")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--force", is_flag=True, help="Write over files that are there already.")
def monitoring(folder: Path, *, force: bool) -> None:
    """Write a Grafana dashboard, Prometheus alert rules and their run-book to DIR."""
    there = [name for name in FILES if (folder / name).exists()]
    if there and not force:
        raise click.ClickException(
            f"{folder} has {', '.join(there)} already: add --force to write over them."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).write_bytes((SHIPPED / name).read_bytes())
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {', '.join(FILES)} to {folder}.")
    click.echo("Import the dashboard in Grafana, and name alerts.yaml under rule_files in prometheus.yml.")
    click.echo("Scrape the bridge's /metrics under job_name: bridge, which BridgeUnreachable goes by.")
