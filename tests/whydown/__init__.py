"""Tests of the command line and of the processes that it runs."""
