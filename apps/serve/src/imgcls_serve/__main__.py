"""`python -m imgcls_serve` is `imgcls-serve`."""

from imgcls_serve.cli import main

main()
