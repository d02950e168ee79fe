"""The manifests are valid, and agree with the image and with each other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
VERSION = "1.34"
PLAIN = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/imgcls.yaml").read_text()))
KSERVE = yaml.safe_load((ROOT / "deploy/kubernetes/kserve.yaml").read_text())
POD_KEYS = {"containers", "volumes", "terminationGracePeriodSeconds"}


@pytest.mark.parametrize("resource", PLAIN, ids=lambda resource: resource["kind"])
def test_a_manifest_is_valid(resource):
    kubernetes_validate.validate(resource, VERSION, strict=True)


def test_the_predictors_pod_is_valid():
    """KServe's predictor is a pod's specification with keys of its own beside."""
    pod = {key: value for key, value in KSERVE["spec"]["predictor"].items() if key in POD_KEYS}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "imgcls"}, "spec": pod}
    kubernetes_validate.validate(manifest, VERSION, strict=True)
    assert KSERVE["spec"]["predictor"]["containers"][0]["name"] == "kserve-container"


@pytest.mark.parametrize(
    "pod", [PLAIN[0]["spec"]["template"]["spec"], KSERVE["spec"]["predictor"]], ids=["plain", "kserve"]
)
def test_a_pod_has_the_services_port_and_time_to_drain_and_nothing_it_does_not_need(pod):
    container = pod["containers"][0]
    port = tomllib.loads((ROOT / "cerebrium.toml").read_text())["cerebrium"]["runtime"]["custom"]["port"]
    assert container["ports"][0]["containerPort"] == port
    assert pod["terminationGracePeriodSeconds"] >= 30 + 5
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
