"""`python -m imgcls_train`."""

from imgcls_train.cli import main

if __name__ == "__main__":
    main()
