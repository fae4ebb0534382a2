"""Prints the registration, and compares it with the one that customers rely on."""
