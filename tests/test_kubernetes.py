"""The manifests are valid, and agree with the image and with each other."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
VERSION = "1.34"
FOLDER = ROOT / "deploy/kubernetes"
PLAIN = list(yaml.safe_load_all((FOLDER / "imgcls.yaml").read_text()))
BY_CPU, BY_QUEUE, BY_ADAPTER, KSERVE, ADAPTER = (
    yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    for name in (
        "autoscale-cpu",
        "autoscale-keda",
        "autoscale-prometheus-adapter",
        "kserve",
        "prometheus-adapter-values",
    )
)
POD_KEYS = {"containers", "volumes", "terminationGracePeriodSeconds"}
# The fields in use and no others, with names and types as KServe (0.21) defines them and KEDA does its ScaledObject
# v1alpha1, which has had the last of them, `fallback`, since 2.4. What a trigger's `metadata` may hold is not in KEDA's
# schema, where it is any text; here it is what its Prometheus scaler reads.
CRDS = json.loads((ROOT / "tests/data/crds.json").read_text())


@pytest.mark.parametrize(
    "resource", [*PLAIN, BY_CPU, BY_ADAPTER], ids=[*(one["kind"] for one in PLAIN), "by cpu", "by adapter"]
)
def test_a_manifest_is_valid(resource):
    kubernetes_validate.validate(resource, VERSION, strict=True)


def test_the_predictor_is_valid():
    """KServe's predictor is a pod's specification with keys of its own beside."""
    predictor = KSERVE["spec"]["predictor"]
    pod = {key: value for key, value in predictor.items() if key in POD_KEYS}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "imgcls"}, "spec": pod}
    kubernetes_validate.validate(manifest, VERSION, strict=True)
    assert predictor["containers"][0]["name"] == "kserve-container"
    own = {key: value for key, value in predictor.items() if key not in POD_KEYS}
    jsonschema.validate(own, CRDS["InferenceService predictor"])
    check_behaviour(own["autoScaling"]["behavior"])


def test_the_scaled_object_is_valid():
    jsonschema.validate(BY_QUEUE["spec"], CRDS["ScaledObject"])
    check_behaviour(BY_QUEUE["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"])


def check_behaviour(behaviour: dict[str, Any]) -> None:
    """KEDA and KServe hand it on to Kubernetes' own autoscaler."""
    manifest = {**BY_ADAPTER, "spec": {**BY_ADAPTER["spec"], "behavior": behaviour}}
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_every_rule_scales_the_deployment_on_the_queue_that_the_service_tells():
    """The name is that of `/metrics`; limits and threshold are the same whatever asks."""
    for target in (BY_QUEUE["spec"]["scaleTargetRef"], BY_ADAPTER["spec"]["scaleTargetRef"]):
        assert (target["kind"], target["name"]) == (PLAIN[0]["kind"], PLAIN[0]["metadata"]["name"])
    predictor = KSERVE["spec"]["predictor"]
    external, trigger = predictor["autoScaling"]["metrics"][0]["external"], BY_QUEUE["spec"]["triggers"][0]["metadata"]
    pods = BY_ADAPTER["spec"]["metrics"][0]["pods"]
    rule = ADAPTER["rules"]["custom"][0]
    source = (ROOT / "apps/serve/src/imgcls_serve/observing/state_metrics.py").read_text()
    assert f'"{pods["metric"]["name"]}"' in source
    assert external["metric"]["query"] == trigger["query"] == f"sum({pods['metric']['name']})"
    assert rule["seriesQuery"].startswith(f"{pods['metric']['name']}{{")
    assert external["metric"]["serverAddress"] == trigger["serverAddress"]
    assert trigger["serverAddress"] == f"{ADAPTER['prometheus']['url']}:{ADAPTER['prometheus']['port']}"
    assert external["target"]["value"] == trigger["threshold"] == pods["target"]["averageValue"]
    limits = {
        (BY_CPU["spec"]["minReplicas"], BY_CPU["spec"]["maxReplicas"]),
        (BY_ADAPTER["spec"]["minReplicas"], BY_ADAPTER["spec"]["maxReplicas"]),
        (BY_QUEUE["spec"]["minReplicaCount"], BY_QUEUE["spec"]["maxReplicaCount"]),
        (predictor["minReplicas"], predictor["maxReplicas"]),
    }
    assert len(limits) == 1


@pytest.mark.parametrize(
    "pod", [PLAIN[0]["spec"]["template"]["spec"], KSERVE["spec"]["predictor"]], ids=["plain", "kserve"]
)
def test_a_pod_has_the_services_port_and_time_to_drain_and_nothing_it_does_not_need(pod):
    container = pod["containers"][0]
    port = tomllib.loads((ROOT / "cerebrium.toml").read_text())["cerebrium"]["runtime"]["custom"]["port"]
    assert container["ports"][0]["containerPort"] == port
    assert pod["terminationGracePeriodSeconds"] >= 30 + container["lifecycle"]["preStop"]["sleep"]["seconds"]
    context = {**pod.get("securityContext", {}), **container["securityContext"]}
    assert context["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["requests"] == container["resources"]["limits"]


RAYJOB = yaml.safe_load((ROOT / "deploy/kubernetes/rayjob.yaml").read_text())
# Of KubeRay's RayJobSpec (ray.io/v1).
RAYJOB_KEYS = {
    *("entrypoint", "submissionMode", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit"),
    "rayClusterSpec",
}


def test_the_bulk_job_is_valid_and_its_command_is_one_that_the_program_takes():
    """KubeRay's groups hold pods' templates; the rest are keys of its own."""
    from imgcls_batch.commands.run import command

    spec = RAYJOB["spec"]
    assert set(spec) == RAYJOB_KEYS
    cluster = spec["rayClusterSpec"]
    assert set(cluster) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        manifest = {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": "ray"},
            "template": group["template"],
        }
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        container = group["template"]["spec"]["containers"][0]
        assert container["resources"]["requests"] == container["resources"]["limits"]
    program, subcommand, *arguments = spec["entrypoint"].split()
    assert (program, subcommand) == ("imgcls-batch", "run")
    options = command.make_context("run", arguments).params
    assert options["ray"] == "auto"
    assert options["provider"] == "cpu"
