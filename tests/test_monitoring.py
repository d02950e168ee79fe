"""Prometheus' rules and Grafana's dashboard name what the service really exposes."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from imgcls_serve.app import create_app
from imgcls_serve.service import Service
from imgcls_serve.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "docker/prometheus/alerts.yml"
DASHBOARD = ROOT / "docker/grafana/dashboards/imgcls.json"
PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """Every series' name: from /metrics, plus the GPU's from the source, which a machine without one does not show."""
    app = create_app(Service(Settings(model=ROOT / "none.onnx")))

    async def metrics() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return (await client.get("/metrics")).text

    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", asyncio.run(metrics()), re.MULTILINE):
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + suffix for suffix in suffixes}
    source = (ROOT / "apps/serve/src/imgcls_serve/observing/state_metrics.py").read_text()
    return names | set(re.findall(r'"(imgcls_gpu_\w+)"', source)) | {"up"}


def recorded() -> dict[str, str]:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    return {rule.get("record") or rule["alert"]: rule["expr"] for rule in rules}


def queries() -> dict[str, str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {f"{p['title']} {t['refId']}": t["expr"] for p in panels for t in p.get("targets", [])}


def named(expression: str) -> set[str]:
    """The series in an expression, recording rules included."""
    without_selectors = re.sub(r'"[^"]*"|\{[^}]*\}', "", expression)
    return set(re.findall(r"\b(?:imgcls_\w+|process_\w+|imgcls:[\w:]+|up)\b", without_selectors))


@pytest.mark.parametrize("name", recorded())
def test_a_rule_reads_what_the_service_exposes(exposed, name):
    series = named(recorded()[name])
    assert series
    assert series <= exposed | set(recorded())


@pytest.mark.parametrize("panel", queries())
def test_a_panel_reads_what_the_service_exposes(exposed, panel):
    series = named(queries()[panel])
    assert series
    assert series <= exposed | set(recorded())


@pytest.mark.parametrize("panel", queries())
def test_a_panel_of_what_models_answer_follows_the_chosen_model(panel):
    of_models = r"(?:imgcls_(?:predictions|confidence|drift)|imgcls:class_|imgcls_model_info)"
    by_model = re.findall(of_models + r"\w*(\{[^}]*\})?", queries()[panel])
    assert all(re.search(r'(model|name)=~"\$model"', selector) for selector in by_model)


def test_the_dashboard_has_a_variable_for_each_choice_that_its_panels_make():
    variables = {one["name"] for one in json.loads(DASHBOARD.read_text())["templating"]["list"]}
    used = {name for query in queries().values() for name in re.findall(r"\$(\w+)", query) if not name.startswith("__")}
    assert used == variables == {"instance", "model"}


@pytest.mark.parametrize("name", recorded())
def test_a_rule_of_what_models_answer_speaks_of_one_model(name):
    """Drift is told for each model; two on one instance must not be mixed."""
    expression = recorded()[name]
    if re.search(r"imgcls_(predictions|confidence|drift)|imgcls:class_", expression):
        groups = re.findall(r"(?:by|on) \(([^)]*)\)", expression)
        assert groups
        assert all("model" in group for group in groups)


def test_every_alert_says_what_to_do_and_is_in_the_documentation():
    text = (ROOT / "docs/operate.md").read_text()
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert {"summary", "action"} <= set(rule["annotations"])
                assert rule["alert"] in text


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed; the workflow runs it from Prometheus' image")
@pytest.mark.parametrize("arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")])
def test_promtool_accepts_the_configuration_and_the_rules_do_what_their_tests_say(arguments):
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
