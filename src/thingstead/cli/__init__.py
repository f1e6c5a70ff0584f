"""The command line: arguments, texts for people, and exit codes (docs/cli.md)."""

from thingstead.cli.commands import commands, main

__all__ = ["commands", "main"]
