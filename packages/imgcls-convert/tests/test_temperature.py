"""A temperature divides the logits in the graph as it does in PyTorch, whatever kind of network gives them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from imgcls_convert.graph.export import export_network
from imgcls_core.artifact import NETWORK_INPUT
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.probability_network import with_probabilities
from torch import nn

SIZE = (32, 24)
TEMPERATURE = 2.0


def _module(outputs: int) -> nn.Module:
    torch.manual_seed(20180)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, outputs)
    ).eval()


def _scripted(outputs: int) -> nn.Module:
    return torch.jit.script(_module(outputs))


def _traced(outputs: int) -> nn.Module:
    return torch.jit.trace(_module(outputs), torch.zeros(2, 3, *SIZE))


def _exported(outputs: int) -> nn.Module:
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(
        _module(outputs), (torch.zeros(2, 3, *SIZE),), dynamic_shapes=({0: batch},), strict=True
    ).module()


def _timm(outputs: int) -> nn.Module:
    torch.manual_seed(20180)
    network = pytest.importorskip("timm").create_model("test_resnet", pretrained=False, num_classes=outputs).eval()
    nn.init.constant_(network.get_classifier().bias, 3)  # a lone output within 0 to 1 would pass for a probability
    return network


@pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated; the files are there all the same
@pytest.mark.parametrize("outputs", [4, 1], ids=["logits", "one logit"])
@pytest.mark.parametrize("kind", [_module, _scripted, _traced, _exported, _timm])
def test_a_temperature_is_in_the_graph_of_every_kind_of_network(kind: Callable[[int], nn.Module], outputs: int) -> None:
    network = kind(outputs)
    pixels = 4 * torch.randn(5, 3, *SIZE, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        logits = network(pixels)
        classifier = with_probabilities(network, SIZE, TEMPERATURE)
        expected = classifier(pixels).numpy()
    both = logits if outputs > 1 else torch.cat([torch.zeros_like(logits), logits], dim=1)
    assert expected == pytest.approx((both / TEMPERATURE).softmax(dim=1).numpy(), abs=1e-6)
    session = import_runtime().InferenceSession(
        export_network(classifier, SIZE).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (actual,) = session.run(None, {NETWORK_INPUT: pixels.numpy()})
    assert np.abs(actual - expected).max() <= 1e-5
