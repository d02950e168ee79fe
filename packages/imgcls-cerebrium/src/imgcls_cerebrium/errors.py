"""The errors that are raised on purpose: their text is for the user."""

from __future__ import annotations


class CerebriumError(Exception):
    """What was asked of Cerebrium, or of its configuration, cannot be had; the text says why and what to do."""


class AppAddressError(CerebriumError, ValueError):
    """A project, an app or an address that cannot be on Cerebrium."""


class PlatformApiError(CerebriumError):
    """The platform's REST API did not answer, or not as asked."""
