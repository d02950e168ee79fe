"""Call and test an imgcls deployment.

from imgcls_client import ImgclsClient

with ImgclsClient("http://127.0.0.1:8192") as client:
    print(client.predict("tench.jpg").label)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcls_client.async_client import AsyncImgclsClient
    from imgcls_client.client import ImgclsClient
    from imgcls_client.errors import (
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
    from imgcls_client.replies import (
        ClassScore,
        Golden,
        GoldenCase,
        Health,
        ModelEntry,
        ModelRef,
        Prediction,
        Readiness,
    )
    from imgcls_client.retry_policy import NO_RETRY, RetryPolicy, Timeouts

# Loaded on first use: the commands live in this package too and must not pay for httpx to print their help.
PUBLIC = {
    "async_client": ("AsyncImgclsClient",),
    "client": ("ImgclsClient",),
    "errors": (
        "AccessDeniedError",
        "AnswerTimeoutError",
        "DeadlineExceededError",
        "ImageRefusedError",
        "ImageSourceError",
        "ImgclsClientError",
        "NotFoundError",
        "ParameterRefusedError",
        "RefusedError",
        "ServiceFaultError",
        "SettingsError",
        "UnavailableError",
        "UnexpectedAnswerError",
        "UnreachableError",
    ),
    "replies": ("ClassScore", "Golden", "GoldenCase", "Health", "ModelEntry", "ModelRef", "Prediction", "Readiness"),
    "retry_policy": ("NO_RETRY", "RetryPolicy", "Timeouts"),
}

__all__ = [
    "NO_RETRY",
    "AccessDeniedError",
    "AnswerTimeoutError",
    "AsyncImgclsClient",
    "ClassScore",
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
    "Timeouts",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnreachableError",
]


def __getattr__(name: str) -> object:
    for module, names in PUBLIC.items():
        if name in names:
            return getattr(import_module(f"imgcls_client.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
