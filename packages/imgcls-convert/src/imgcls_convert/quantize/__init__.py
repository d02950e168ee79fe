"""Smaller precisions of the ONNX network: int8, fp16, and which layers stay float. Imports `graph`."""
