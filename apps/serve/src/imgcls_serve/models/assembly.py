"""The registry that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imgcls_core import DecodeLimits

from imgcls_serve.models.kept_graphs import KeptGraph, KeptGraphs
from imgcls_serve.models.loading import LoadLimits
from imgcls_serve.models.registry import ModelRegistry
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.scheduler.assembly import cpus_of
from imgcls_serve.settings import Settings


def registry_of(settings: Settings, graphs: KeptGraphs | None, *, on_eviction: Callable[[str], None]) -> ModelRegistry:
    """Gives the registry, in which nothing is loaded yet; arguments as its own."""
    cpus = cpus_of(settings)

    def load(name: str, file: Path, kept: KeptGraph | None) -> ServedModel:
        return ServedModel(
            file,
            name=name,
            provider=settings.provider,
            threads=cpus if settings.thread_layout == "wide" else 1,
            # Beside others who are being answered it takes one.
            at_once=1 if registry.loaded else cpus,
            limits=DecodeLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels),
            window_s=settings.drift_window_s,
            trusted_keys=settings.public_keys,
            kept=kept,
        )

    registry = ModelRegistry(
        model=settings.model,
        folder=settings.models_dir,
        default=settings.default_model,
        load=load,
        provider=settings.provider,
        limits=LoadLimits(settings.load_timeout_s, settings.max_load_bytes),
        memory=settings.models_memory,
        graphs=graphs,
        on_eviction=on_eviction,
    )
    return registry
