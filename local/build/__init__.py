"""Builds the functions with SAM, judges the result, and runs the linters."""
