"""Files that other tools have made: what they are, ONNX graphs, TorchServe archives; imports only `errors`."""
