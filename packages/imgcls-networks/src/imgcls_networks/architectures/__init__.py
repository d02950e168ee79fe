"""Networks from torchvision, a factory, a saved file, timm or a trained model. Imports `models` and `weights`."""
