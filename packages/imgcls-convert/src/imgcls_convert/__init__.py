"""PyTorch image classifier in, one proven ONNX artifact out. The commands are in `imgcls_convert.cli`."""
