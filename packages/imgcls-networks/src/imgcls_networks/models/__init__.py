"""What a user can name as MODEL: catalog, trained model, factory, file. No torch; `foreign`, `weights.source` alone."""
