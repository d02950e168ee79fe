"""What MODEL refers to → a PyTorch network with preprocessing, labels and weights. Stands on `imgcls_core` alone."""
