"""What answers at an address, for the head of a report: model, number format, provider, versions."""

from __future__ import annotations

from contextlib import suppress

from imgcls_contract import HealthReply
from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import ImgclsClientError
from msgspec import Struct

# Of the versions that a service tells: those that decide what it answers, in this order.
_TOLD = {name: name for name in ("imgcls-serve", "imgcls-core", "onnxruntime", "onnxruntime-gpu")} | {
    "python": "Python"
}


class Served(Struct, frozen=True, omit_defaults=True):
    """What a deployment says of itself; None and nothing where it does not say.

    Attributes:
        precision: number format of the model under test.
        memory_bytes: of the machine.
    """

    precision: str | None = None
    provider: str | None = None
    versions: dict[str, str] = {}
    memory_bytes: int | None = None

    @property
    def words(self) -> str:
        """Gives one line; "" where nothing is known."""
        told = [f"{said} {self.versions[name]}" for name, said in _TOLD.items() if name in self.versions]
        on = [f"on {self.provider}"] if self.provider else []
        return ", ".join([*told, *on, *([f"{self.memory_bytes / 1e9:,.0f} GB memory"] if self.memory_bytes else [])])


def ask_served(client: ImgclsClient, model: str, health: HealthReply | None = None) -> Served:
    """Asks what a deployment is; what it does not say is left out.

    Args:
        client: of the deployment.
        model: the model whose precision is meant.
        health: its reply to `/health`, where it was asked already.
    """
    precision: str | None = None
    with suppress(ImgclsClientError):
        precision = next((each.precision for each in client.models() if each.name == model), None)
    with suppress(ImgclsClientError):
        health = health or client.health()
    if health is None:
        return Served(precision)
    return Served(precision, health.provider, health.versions, health.memory.get("machine_total"))
