"""`python -m imgcls_convert`, and what `imgcls-convert` starts."""

from __future__ import annotations

from imgcls_cli.entry import start


def main() -> None:
    """Runs the program and ends the process with its exit code."""
    start("imgcls_convert.cli:main")


if __name__ == "__main__":
    main()
