"""`python -m imgcls_convert`."""

from imgcls_convert.cli import main

if __name__ == "__main__":
    main()
