"""Errors that more than one part raises or answers for."""

from __future__ import annotations


class WhydownError(Exception):
    """Something to be told to a person in one line: what is wrong, and what to do."""


class ConfigurationError(WhydownError):
    """A setting is missing, unknown or malformed. The message names it and never holds its value."""
