"""What is checked before a deployment and awaited after it; stands on imgcls_sdk, imgcls_cerebrium and click."""

__version__ = "0.1.0"
