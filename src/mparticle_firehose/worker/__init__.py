"""Delivers what the queues hold."""
