"""`python -m imgcls_batch`."""

from imgcls_batch.cli import main

if __name__ == "__main__":
    main()
