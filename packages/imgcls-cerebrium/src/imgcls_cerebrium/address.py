"""Addresses of apps on Cerebrium: built from project and app, or recognised in any form that is in use.

Source: Cerebrium's documentation of August 2026 (endpoints/inference-api, deployments/multi-region-deployment).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from imgcls_cerebrium.errors import AppAddressError

# The global router since July 2026. The regional hosts before it (api.aws.us-east-1…, api.cortex…) share its path.
ROUTER_URL = "https://api.cerebrium.ai"
_APP_PATH = re.compile(r"/v4/(?P<project>p-[^/]+)/(?P<app>[^/]+)/*$")
_RETIRED_HOST = "run.cerebrium.ai"


@dataclass(frozen=True, slots=True)
class CerebriumApp:
    """One app of one project: the project with its prefix, as in `p-1234abcd`, the app as in `cerebrium.toml`."""

    project: str
    app: str

    @property
    def app_id(self) -> str:
        """The id under which the REST API knows the app."""
        return f"{self.project}-{self.app}"

    def url(self, router_url: str = ROUTER_URL) -> str:
        """Gives the base address of the app."""
        return f"{router_url.rstrip('/')}/v4/{self.project}/{self.app}"


def make_app(project: str, app: str) -> CerebriumApp:
    """Names an app; the prefix of the project may be left out.

    Raises:
        AppAddressError: a name has characters that no project or app has.
    """
    project = project if project.startswith("p-") else f"p-{project}"
    for what, name in (("project", project), ("app", app)):
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise AppAddressError(
                f"The {what} {name!r} cannot be on Cerebrium: letters, digits and dashes are allowed."
            )
    return CerebriumApp(project, app)


def app_of_url(url: str) -> CerebriumApp | None:
    """Recognises an app on Cerebrium by its address, custom domains included.

    Raises:
        AppAddressError: the address is of the retired version 3.
    """
    parts = urlsplit(url)
    if parts.hostname == _RETIRED_HOST or (parts.path.startswith("/v3/") and "cerebrium" in (parts.hostname or "")):
        raise AppAddressError(
            f"{url} is an address of Cerebrium's retired version 3; today's is {ROUTER_URL}/v4/PROJECT/APP."
        )
    found = _APP_PATH.search(parts.path)
    return CerebriumApp(found["project"], found["app"]) if found else None
