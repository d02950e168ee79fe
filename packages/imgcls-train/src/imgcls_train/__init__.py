"""Look at a dataset, train, evaluate and publish. The commands are in `imgcls_train.cli`."""
