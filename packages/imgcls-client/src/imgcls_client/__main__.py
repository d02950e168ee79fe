"""`python -m imgcls_client`."""

from __future__ import annotations

from imgcls_client.cli import main

if __name__ == "__main__":
    main()
