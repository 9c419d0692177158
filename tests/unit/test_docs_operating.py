"""What is written for those who operate it is held to the code: flags, labels, metrics, alerts, what /readyz says."""

import re
from typing import Any

import pytest
import yaml

from tests.support.docs import ROOT, anchors, fences, first_cells, inline_code
from theazo_operator import metrics
from theazo_operator.controllers.keys import MasterKeyMissing
from theazo_operator.health import Health
from theazo_operator.opening import InvalidMasterKey
from theazo_operator.reasons import Reason
from theazo_operator.resources import meta
from theazo_operator.settings import parse, parse_api

DOCS = ROOT / "docs"
CONFIGURATION = DOCS / "configuration.md"
MONITORING = DOCS / "monitoring.md"
RUNBOOK = DOCS / "runbook.md"
(ALERTS,) = (fence for fence in fences(MONITORING) if fence.language == "yaml")
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(ALERTS.text)["groups"] for rule in group["rules"]]
#: What Prometheus counts itself, and its label that alerts select by.
OTHERS = {"up": {"job"}}


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]


def section(text: str, heading: str) -> str:
    return text.partition(f"\n{heading}\n")[2].partition("\n#")[0]


@pytest.mark.parametrize(("program", "parser"), [("theazo-operator", parse), ("theazo-api", parse_api)])
def test_the_flags_are_the_documented_ones(
    program: str, parser: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        parser(["--help"], {})
    known = re.findall(r"(?m)^  (--[a-z-]+) [A-Z_]+\s+\w.*?(?:\((\S+)\))?$", capsys.readouterr().out)
    table = CONFIGURATION.read_text(encoding="utf-8").partition(f"Flags of `{program}`:\n\n")[2].partition("\n\n")[0]
    documented = rows(table)
    assert len(known) > 1
    assert sorted((flag, default) for flag, _, default, *_ in documented) == sorted(
        (f"`{flag}`", f"`{default}`" if default else "none") for flag, default in known
    )


@pytest.mark.parametrize(("program", "parser"), [("theazo-operator", parse), ("theazo-api", parse_api)])
def test_the_environment_is_the_documented_one(program: str, parser: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Each variable of the table is read: what no flag takes is refused, or comes out in the settings."""
    text = CONFIGURATION.read_text(encoding="utf-8").partition(f"Flags of `{program}`:\n\n")[2].partition("\n\n")[0]
    for flag, variable, *_ in rows(text):
        name = flag.strip("`").removeprefix("--")
        assert variable == f"`THEAZO_{name.upper().replace('-', '_')}`"
        outcomes = []
        for argv, environment in (([f"--{name}", "1"], {}), ([], {variable.strip("`"): "1"}), ([], {})):
            try:
                outcomes.append(parser(argv, environment))
            except SystemExit:
                outcomes.append(capsys.readouterr().err)
        assert outcomes[0] == outcomes[1] != outcomes[2], variable


def test_the_values_of_the_chart_that_set_flags_are_there() -> None:
    values = yaml.safe_load((ROOT / "charts" / "theazo" / "values.yaml").read_text(encoding="utf-8"))
    text = section(CONFIGURATION.read_text(encoding="utf-8"), "## Flags")
    named = {name for row in rows(text) for name in inline_code(row[-1])}
    assert len(named) > 3
    for name in named:
        found = values
        for key in name.split("."):
            assert key in found, name
            found = found[key]


def test_the_labels_and_annotations_are_the_documented_ones() -> None:
    text = section(CONFIGURATION.read_text(encoding="utf-8"), "## Labels and annotations")
    documented = {name for row in rows(text) for name in inline_code(row[0])}
    ours = {value for name, value in vars(meta).items() if name.endswith(("_LABEL", "_ANNOTATION"))}
    # The lists of what says that somebody else holds an object are the module's own.
    tracking = {*meta._TRACKING_KEYS, *(f"{each}…" for each in meta._TRACKING_PREFIXES)}
    assert documented == ours | tracking


def samples() -> dict[str, set[str]]:
    """Every time series there can be, and its labels."""
    metrics.observe_reconcile("theazoagent", "error", 0)
    metrics.count_opening("agent", "Opened")
    metrics.WATCH_AGE.labels("theazoagents").set(0)
    metrics.observe_request("GET", "/v1/sessions", 200, 0)
    metrics.count_authentication_failure("unknown")
    metrics.count_conflict()
    found: dict[str, set[str]] = {}
    for family in (*metrics.registry.collect(), *metrics.api_registry.collect()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_the_metrics_are_the_documented_ones() -> None:
    families = [*metrics.registry.collect(), *metrics.api_registry.collect()]
    counted = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert set(first_cells(MONITORING, r"[a-z_]+")) == counted


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    known = samples() | OTHERS
    expression, grouped = _without_grouping(re.sub(r'"[^"]*"', "", rule["expr"]))
    asked = re.findall(r"\b([a-z_]+)\b(?:\{([^}]*)\})?(?!\s*\()", expression)
    assert asked
    for name, selectors in asked:
        assert name in known, name
        assert {*re.findall(r"\w+", selectors), *grouped} <= known[name], name


def _without_grouping(expression: str) -> tuple[str, list[str]]:
    """An expression without `by (…)`, and the labels that stand there."""
    pattern = r"\bby \(([\w, ]+)\)"
    return re.sub(pattern, "", expression), re.findall(r"\w+", ",".join(re.findall(pattern, expression)))


def test_the_reasons_that_an_alert_names_are_there() -> None:
    (alert,) = (rule for rule in RULES if "theazo_openings_total" in rule["expr"])
    (named,) = re.findall(r'result=~"([^"]+)"', alert["expr"])
    assert set(named.split("|")) <= set(Reason)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_a_section_of_the_runbook(rule: dict[str, Any]) -> None:
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert ROOT / path == RUNBOOK
    assert anchor in anchors(RUNBOOK)


def test_what_readyz_says_is_in_the_runbook() -> None:
    source = (ROOT / "operator" / "theazo_operator" / "runtime.py").read_text(encoding="utf-8")
    said = {*re.findall(r'not_ready = f?"(\w[^"({]*\w)', source), str(Health().not_ready)}
    said |= {error.__name__ for error in (MasterKeyMissing, InvalidMasterKey)}
    assert said == set(first_cells(RUNBOOK, r"(?:Starting|Stopping|MasterKeyMissing|InvalidMasterKey)[^`]*"))
