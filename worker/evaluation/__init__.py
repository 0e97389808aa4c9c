"""Incidents of the past as case folders, and how well they are answered by the same code that answers alerts."""
