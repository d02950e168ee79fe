"""`python -m imgcls_deploy`."""

from imgcls_deploy.cli import main

main()
