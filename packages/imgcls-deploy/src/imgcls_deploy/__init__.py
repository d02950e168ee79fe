"""What is checked before a deployment and awaited after it; imports click, pydantic, imgcls_client and imgcls_cli."""

__version__ = "0.1.0"
