"""`python -m imgcls_client`, and what `imgcls-client` starts."""

from __future__ import annotations

from imgcls_cli.entry import start


def main() -> None:
    """Runs the program and ends the process with its exit code."""
    start("imgcls_client.cli:main")


if __name__ == "__main__":
    main()
