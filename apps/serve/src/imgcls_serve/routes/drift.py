"""`GET /models/{name}/drift`: what a model answers now beside what it is expected to answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from imgcls_contract import AnswerHistograms, ModelDriftReply, ReferenceReply
from imgcls_core.artifact.drift import LIMIT_PSI, AnswerCounts, drift_figures

from imgcls_serve.routes.answers import json_reply, model_id
from imgcls_serve.routes.dependencies import ServiceDep
from imgcls_serve.routes.documented import replies
from imgcls_serve.routes.models import ModelPath

router = APIRouter(tags=["models"])

LimitPsi = Annotated[
    float,
    Query(
        gt=0,
        allow_inf_nan=False,
        description="From which population stability index on a distribution counts as drifted; decides "
        "`answers_needed` and `status`.",
    ),
]


@router.get("/models/{name}/drift", responses=replies(ModelDriftReply, 401, 403, 404, 422))
async def drift(service: ServiceDep, name: ModelPath, limit_psi: LimitPsi = LIMIT_PSI) -> Response:
    """Gives the histograms of a model's answers, the reference in its artifact, and the distance between them, judged.

    Counted is every image that was answered, whichever route it came by; not counted are refused and failed ones,
    the service's own checks at load, and requests with `X-Imgcls-Check: true`.
    """
    model = service.registry.get(name)
    observed = (await service.together.state()).models.get(name)
    counters = observed.counters if observed is not None else model.counters  # it has left the memory
    window = counters.window()
    reference = model.metadata.reference
    reply = ModelDriftReply(
        model=model_id(model),
        limit_psi=limit_psi,
        window_s=counters.window_s,
        window=_histograms(window),
        since_load=_histograms(counters.since_load()),
        reference=None
        if reference is None
        else ReferenceReply(
            images=reference.images,
            class_shares=list(reference.class_shares),
            confidence_shares=list(reference.confidence_shares),
            entropy_shares=list(reference.entropy_shares),
        ),
        drift=None if reference is None else drift_figures(window, reference, limit_psi),
    )
    return json_reply(reply)


def _histograms(counts: AnswerCounts) -> AnswerHistograms:
    return AnswerHistograms(
        answers=counts.answers,
        classes=counts.classes.tolist(),
        confidence=counts.confidence.tolist(),
        entropy=counts.entropy.tolist(),
    )
