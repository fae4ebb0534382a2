"""Sends requests through the local cloud, and shows what became of each."""
