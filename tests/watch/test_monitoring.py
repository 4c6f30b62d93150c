"""What Grafana and Prometheus are given names numbers that exist, and each alert says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from bridge.app import Bridge
from bridge.cli import bridge as command
from bridge.cli.monitoring import FILES, SHIPPED
from bridge.intake.metrics import NOW
from bridge.store.tallies import COUNTERS, GAUGES, HISTOGRAMS

NAME = re.compile(r"\bbridge_[a-z_]+")
LABELS = re.compile(r"\b(bridge_[a-z_]+)\{([^}]*)\}")


def expressions(found: Any) -> list[str]:
    """Every PromQL expression in a dashboard or a file of rules."""
    if isinstance(found, dict):
        own = [found["expr"]] if isinstance(found.get("expr"), str) else []
        return own + [one for value in found.values() for one in expressions(value)]
    return [one for value in found for one in expressions(value)] if isinstance(found, list) else []


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((SHIPPED / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def asked(file: str) -> list[str]:
    text = (SHIPPED / file).read_text(encoding="utf-8")
    return expressions(json.loads(text) if file.endswith("json") else yaml.safe_load(text))


@pytest.fixture
def exposed(bridge: Bridge) -> dict[str, str]:
    """The type of each family that /metrics shows, by every name that a sample of it may have."""
    text = bridge.web.test_client().get("/metrics").get_data(as_text=True)
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        family.name + end: family.type
        for family in text_string_to_metric_families(text)
        for end in ends[family.type]
    }


@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yaml"])
def test_every_number_that_is_asked_for_is_there(exposed: dict[str, str], file: str):
    """A panel or a rule on a name that nobody shows stays empty, and looks like calm."""
    named = {name for expression in asked(file) for name in NAME.findall(expression)}
    assert len(named) > 10
    assert named - set(exposed) == set()


@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yaml"])
def test_every_label_that_is_asked_for_is_there(file: str):
    """Selectors and groupings, against what each number declares."""
    declared = {name: set(one.labels) for name, one in {**COUNTERS, **GAUGES, **NOW}.items()}
    for name, histogram in HISTOGRAMS.items():
        for end in ("_bucket", "_sum", "_count"):
            declared[name + end] = {*histogram.labels, "le"}
    wrong = []
    for expression in asked(file):
        names = NAME.findall(expression)
        for name, selector in LABELS.findall(expression):
            wrong += [
                (name, label)
                for label in re.findall(r"(\w+)\s*[=!]", selector)
                if label not in declared[name]
            ]
        for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
            for label in grouped.split(","):
                if not any(label.strip() in declared[name] for name in names):
                    wrong.append((expression, label.strip()))
    assert wrong == []


def test_every_number_is_on_the_dashboard(exposed: dict[str, str]):
    """What is counted and never shown is only cost."""
    shown = " ".join(asked("dashboard.json"))
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert sorted(name for name in bare if name not in shown) == []


def test_every_alert_says_what_to_do():
    """The run-book has a paragraph of that name, and the rule links to it."""
    book = (SHIPPED / "RUNBOOK.md").read_text(encoding="utf-8")
    written = {part.partition("\n")[0]: part.partition("\n")[2] for part in book.split("\n## ")[1:]}
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 10
    assert set(written) == set(names)
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"RUNBOOK.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert len(written[rule["alert"]].strip()) > 60, rule["alert"]


def test_the_dashboard_is_one_that_grafana_imports():
    """Ids are unique, nothing overlaps, every panel asks the data source that is chosen at import."""
    dashboard = json.loads((SHIPPED / "dashboard.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)) > 15
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["description"]
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_the_command_writes_them_and_never_over_yours(tmp_path: Path):
    """Rules that somebody tuned are worth more than ours."""
    folder = tmp_path / "watching"
    run = CliRunner()
    written = run.invoke(command, ["monitoring", str(folder)])
    assert written.exit_code == 0
    assert "job_name: bridge" in written.output
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert (folder / "RUNBOOK.md").read_bytes() == (SHIPPED / "RUNBOOK.md").read_bytes()

    (folder / "alerts.yaml").write_text("groups: []\n", encoding="utf-8")
    refused = run.invoke(command, ["monitoring", str(folder)])
    assert refused.exit_code != 0
    assert "alerts.yaml" in refused.output
    assert (folder / "alerts.yaml").read_text(encoding="utf-8") == "groups: []\n"

    assert run.invoke(command, ["monitoring", str(folder), "--force"]).exit_code == 0
    assert (
        rules() == yaml.safe_load((folder / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    )


def test_the_name_of_the_scrape_job_is_said_where_a_rule_goes_by_it():
    """Under any other name the rule that the bridge is down would never fire."""
    assert any('up{job="bridge"}' in rule["expr"] for rule in rules())
    assert "`job_name: bridge`" in (SHIPPED / "RUNBOOK.md").read_text(encoding="utf-8")
