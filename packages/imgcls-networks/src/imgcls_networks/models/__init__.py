"""What a user can name as MODEL: catalog, trained model, factory, file. No torch, only `foreign` and `weights.source`."""
