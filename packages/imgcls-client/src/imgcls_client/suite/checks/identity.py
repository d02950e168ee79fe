"""Is it the model that the user means, and does it answer what nobody could have stored?"""

from __future__ import annotations

from imgcls_client.suite.check import CheckGroup, CheckSkippedError, require
from imgcls_client.suite.checks.comparison import shorten, vector_difference, whole
from imgcls_client.suite.deployment import Deployment

GROUP = CheckGroup("identity")


@GROUP.check("It is the model that is meant.")
def _model_identity(deployment: Deployment) -> str:
    options, identity = deployment.options, deployment.identity
    if deployment.truth is None and options.model_sha256 is None and not options.signed_by:
        raise CheckSkippedError(
            "the model's identity was not checked: another model would pass with golden cases of its own; "
            "give --artifact FILE, --model-sha256 or --signed-by"
        )
    said: list[str] = []
    of_artifact = None if deployment.truth is None else deployment.truth.sha256
    for whose, expected in (("the artifact's", of_artifact), ("expected", options.model_sha256)):
        if expected is not None:
            actual = identity.sha256 or "none"
            require(
                actual.startswith(expected.lower()),
                f"{identity.name!r} has the sha256 {actual}, {whose} is {expected}",
            )
            said.append(f"sha256 {actual[:12]}…")
    for key in options.signed_by:
        signed_by = identity.signed_by or ()
        signers = ", ".join(signed_by) or "nobody whose key the service trusts"
        require(key in signed_by, f"{identity.name!r} is signed by {signers}, not by {key}")
        said.append(f"signed by {key}")
    if deployment.truth is not None:
        said.append(deployment.truth.sealed)
    return ", ".join(dict.fromkeys(said))


@GROUP.check("Its golden cases are the artifact's.")
def _golden_of_the_artifact(deployment: Deployment) -> str:
    """Compares the golden cases that the deployment gives with those of the file."""
    if deployment.truth is None:
        raise CheckSkippedError("no --artifact given, so the deployment's own golden cases are believed")
    own = {case.name: (case.image_base64, case.top) for case in deployment.client_golden.cases}
    expected = {case.name: (case.image_base64, case.top) for case in deployment.truth.golden.cases}
    wrong = sorted(name for name in own.keys() | expected.keys() if own.get(name) != expected.get(name))
    require(not wrong, f"{len(wrong)} golden cases of the deployment are not the artifact's: {shorten(wrong)}")
    return f"{len(expected)} golden cases are the artifact's"


@GROUP.check("Images that it cannot know are answered as by the artifact.")
def _drawn_images(deployment: Deployment) -> str:
    if deployment.truth is None:
        raise CheckSkippedError("no --artifact given, so nobody knows the answers for images of this run alone")
    seed, allowed = deployment.options.seed, deployment.artifact_tolerance
    wrong: list[str] = []
    largest = 0.0
    count = 0
    for name, image in deployment.truth.drawn_images(seed):
        found = vector_difference(whole(deployment.vector(image)), deployment.truth.vector(image))
        largest, count = max(largest, found), count + 1
        if not found <= allowed:
            wrong.append(f"{name}: {found:.2g}")
    require(
        not wrong,
        f"{len(wrong)} of {count} drawn images (--seed {seed}) are answered otherwise than by the artifact, "
        f"allowed is {allowed:g}: {shorten(wrong)}",
    )
    return f"{count} images drawn with --seed {seed}, max |Δp| {largest:.1g}"
