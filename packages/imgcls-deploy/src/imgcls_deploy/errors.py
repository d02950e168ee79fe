"""The errors that are raised on purpose: their text is for the user."""

from __future__ import annotations


class DeployError(ValueError):
    """What is to be deployed or released does not agree; the text says what and what to do."""

    exit_code = 1
