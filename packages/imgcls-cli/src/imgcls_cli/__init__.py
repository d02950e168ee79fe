"""The shell of every command: how it starts, ends, writes files and shows progress; imports click and, late, rich."""

__version__ = "0.1.0"
