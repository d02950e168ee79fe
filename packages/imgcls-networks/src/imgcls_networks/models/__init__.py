"""What a user can name as MODEL: catalog, trained model, factory, file. Imports no torch, and only `weights.source`."""
