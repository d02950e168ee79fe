"""The ONNX graph: preprocessing, the exported network, the artifact's file. Imports no other room."""
