"""Call an imgcls service from Python; imports the contract, httpx and msgspec, and these on first use.

from imgcls_sdk import ImgclsClient

with ImgclsClient("http://127.0.0.1:8192") as client:
    print(client.predict("tench.jpg").label)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcls_contract import ClassProbability, Prediction
    from imgcls_contract import GoldenCaseReply as GoldenCase
    from imgcls_contract import GoldenReply as Golden
    from imgcls_contract import HealthReply as Health
    from imgcls_contract import ModelId as ModelRef
    from imgcls_contract import ModelReply as ModelEntry

    from imgcls_sdk.answers import Readiness, TimedPrediction
    from imgcls_sdk.async_client import AsyncImgclsClient
    from imgcls_sdk.client import ImgclsClient
    from imgcls_sdk.errors import (
        AccessDeniedError,
        AnswerTimeoutError,
        DeadlineExceededError,
        ImageRefusedError,
        ImageSourceError,
        ImgclsClientError,
        NotFoundError,
        ParameterRefusedError,
        RefusedError,
        ServiceFaultError,
        SettingsError,
        UnavailableError,
        UnexpectedAnswerError,
        UnreachableError,
    )
    from imgcls_sdk.retry_policy import NO_RETRY, RetryPolicy, Timeouts

__all__ = [
    "NO_RETRY",
    "AccessDeniedError",
    "AnswerTimeoutError",
    "AsyncImgclsClient",
    "ClassProbability",
    "DeadlineExceededError",
    "Golden",
    "GoldenCase",
    "Health",
    "ImageRefusedError",
    "ImageSourceError",
    "ImgclsClient",
    "ImgclsClientError",
    "ModelEntry",
    "ModelRef",
    "NotFoundError",
    "ParameterRefusedError",
    "Prediction",
    "Readiness",
    "RefusedError",
    "RetryPolicy",
    "ServiceFaultError",
    "SettingsError",
    "TimedPrediction",
    "Timeouts",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnreachableError",
]

_HOMES = ("errors", "retry_policy", "answers", "client", "async_client")
_RENAMED = {"ModelEntry": "ModelReply", "ModelRef": "ModelId"}
_REPLIES = {"Golden", "GoldenCase", "Health"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for home in _HOMES:
        if hasattr(found := import_module(f"imgcls_sdk.{home}"), name):
            return getattr(found, name)
    return getattr(import_module("imgcls_contract"), f"{name}Reply" if name in _REPLIES else _RENAMED.get(name, name))
