"""`GET /models/{name}/drift`: what a model answers now beside what it is expected to answer."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from imgcls_serve.answer_tally import AnswerCounts
from imgcls_serve.drift import LIMIT_PSI, drift_figures
from imgcls_serve.routes.dependencies import ServiceDep
from imgcls_serve.routes.documented import problems
from imgcls_serve.routes.models import ModelPath
from imgcls_serve.schemas import AnswerHistograms, DriftFiguresReply, ModelDriftReply, ModelId, ReferenceReply

router = APIRouter()


@router.get("/models/{name}/drift", responses=problems(401, 403, 404))
async def drift(service: ServiceDep, name: ModelPath) -> ModelDriftReply:
    """Gives the histograms of a model's answers, the reference in its artifact, and the distance between them.

    Counted is every image that was answered, whichever route it came by; not counted are refused and failed ones,
    the service's own checks at load, and requests with `X-Imgcls-Check: true`.
    """
    model = service.registry.get(name)
    window = model.tally.window()
    reference = model.metadata.reference
    return ModelDriftReply(
        model=ModelId(name=model.name, sha256=model.sha256),
        limit_psi=LIMIT_PSI,
        window_s=model.tally.window_s,
        window=_histograms(window),
        since_load=_histograms(model.tally.since_load()),
        reference=None
        if reference is None
        else ReferenceReply(
            images=reference.images,
            class_shares=list(reference.class_shares),
            confidence_shares=list(reference.confidence_shares),
            entropy_shares=list(reference.entropy_shares),
        ),
        drift=None if reference is None else DriftFiguresReply.model_validate(asdict(drift_figures(window, reference))),
    )


def _histograms(counts: AnswerCounts) -> AnswerHistograms:
    return AnswerHistograms(
        answers=counts.answers,
        classes=counts.classes.tolist(),
        confidence=counts.confidence.tolist(),
        entropy=counts.entropy.tolist(),
    )
