"""What is checked before a deployment and awaited after it; imports click, pydantic, httpx and the commands' shell."""

__version__ = "0.1.0"
