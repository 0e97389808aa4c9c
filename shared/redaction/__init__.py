"""Redaction: secrets are replaced by placeholders before anything is stored, logged, queued, prompted or pushed.

The rules are data (`rules.toml`), matched by RE2 in linear time; what they look like and why: docs/security.md.
"""
