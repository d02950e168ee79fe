"""When nobody has named a model and the default one cannot be had: the bundled model, said plainly, or a refusal."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

from imgcls_networks.errors import DownloadError, RequestError
from imgcls_networks.models import bundled

from imgcls_convert.plan import Fallback, Plan, plan_conversion
from imgcls_convert.request import ConvertRequest

# Mean the same whatever the model is. Every other option speaks of the model, its classes or the file that it is
# expected in, and whoever gave one would not look for another model behind it.
_NEUTRAL: Final = frozenset({"precision", "min_agreement", "skip_verify"})


def fall_back(plan: Plan, error: DownloadError) -> Plan:
    """Plans the conversion of the bundled model in the place of the default one.

    Args:
        plan: whose weights could not be downloaded.
        error: what its sources did.

    Raises:
        DownloadError: a model was named, or options that are about one; it says which.
    """
    request = plan.request
    if request.model is not None:
        raise error
    if options := _options_of_a_model(request):
        given = " and ".join(f"`{name}`" for name in options)
        raise DownloadError(
            error.what,
            error.attempts,
            f"Because {given} {'was' if len(options) == 1 else 'were'} given, no other model takes its place; "
            f"`imgcls-convert {bundled.BUNDLED}` converts the bundled one.",
        ) from error
    try:
        bundled.bundled_folder()
    except RequestError:
        raise error from None  # an incomplete installation: the download is what is left
    instead = plan_conversion(replace(request, model=bundled.BUNDLED))
    return replace(instead, fallback=Fallback(plan.model.name, error.attempts))


def fallback_words(plan: Plan, fallback: Fallback) -> str:
    """What was tried, what is done instead, and how to get what was wanted; one line for a person."""
    return (
        f"the weights of {fallback.instead_of} cannot be downloaded: tried {'; '.join(fallback.because)}. "
        f"Converting the bundled model {plan.model.name} ({bundled.DATASET}) instead, to {plan.output}. For "
        f"{fallback.instead_of} run `imgcls-convert {fallback.instead_of}` where its weights can be reached, or give "
        f"them: `imgcls-convert {fallback.instead_of} --weights FILE`"
    )


def _options_of_a_model(request: ConvertRequest) -> list[str]:
    names = [field.name for field in fields(request) if field.name not in _NEUTRAL]
    return [f"--{name.replace('_', '-')}" for name in names if getattr(request, name) is not None]
