"""What MODEL refers to, without a conversion."""

from imgcls_cli.progress import SilentProgress
from imgcls_networks.loading import load_network
from imgcls_networks.models.reference import parse_model
from imgcls_networks.network import find_network


def test_bicubic_preprocessing_comes_from_the_weights_own_metadata() -> None:
    """efficientnet_b0's published weights resize with bicubic to 256 px and crop 224; that the artifacts then do
    so is held by the tests of imgcls-convert."""
    spec = find_network(parse_model("efficientnet_b0"), 10, own_weights=True).preprocessing
    assert (spec.interpolation, spec.resize_size, spec.size) == ("bicubic", 256, (224, 224))


def test_the_bundled_model_brings_network_weights_and_classes() -> None:
    found = find_network(parse_model("everyday100"), None, own_weights=False)
    network, weights = load_network(found, None, SilentProgress())
    assert found.preprocessing is not None
    assert found.classes is not None
    assert weights is not None
    assert (found.preprocessing.size, len(found.classes), weights.path.name) == ((64, 64), 100, "model.safetensors")
    assert sum(parameter.numel() for parameter in network.parameters()) > 1_000_000
