"""An app's address in every form that is in use."""

from __future__ import annotations

import pytest
from imgcls_cerebrium.address import CerebriumApp, app_of_url, make_app
from imgcls_cerebrium.errors import AppAddressError


@pytest.mark.parametrize(
    "url",
    [
        "https://api.cerebrium.ai/v4/p-12345678/classifier",
        "https://api.cerebrium.ai/v4/p-12345678/classifier/",
        "https://api.aws.us-east-1.cerebrium.ai/v4/p-12345678/classifier",
        "https://api.cortex.cerebrium.ai/v4/p-12345678/classifier",
        "https://models.example.com/v4/p-12345678/classifier",
        "http://api.aws/v4/p-12345678/classifier",
    ],
)
def test_every_form_of_the_address_that_is_in_use_is_recognised(url: str) -> None:
    assert app_of_url(url) == CerebriumApp("p-12345678", "classifier")


def test_other_addresses_are_no_apps_and_retired_ones_are_refused() -> None:
    assert app_of_url("http://127.0.0.1:8192") is None
    with pytest.raises(AppAddressError, match="retired version 3"):
        app_of_url("https://run.cerebrium.ai/v3/p-1/classifier/predict")


def test_a_project_is_named_with_or_without_its_prefix() -> None:
    assert make_app("12345678", "classifier") == make_app("p-12345678", "classifier")
    assert make_app("12345678", "classifier").url() == "https://api.cerebrium.ai/v4/p-12345678/classifier"
    with pytest.raises(AppAddressError, match="letters, digits and dashes"):
        make_app("p 1", "classifier")
