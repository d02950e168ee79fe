"""`python -m imgcls_batch`, and what `imgcls-batch` starts."""

from __future__ import annotations

from imgcls_cli.entry import start


def main() -> None:
    """Runs the program and ends the process with its exit code."""
    start("imgcls_batch.cli:main")


if __name__ == "__main__":
    main()
