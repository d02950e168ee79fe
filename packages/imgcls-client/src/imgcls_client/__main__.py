"""`python -m imgcls_client`."""

from imgcls_client.cli import main

if __name__ == "__main__":
    main()
