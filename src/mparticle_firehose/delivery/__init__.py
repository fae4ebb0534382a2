"""Getting it there: partner calls, queues, the worker, and what becomes of each piece of work."""
