"""Delivery: a request becomes items, items share calls, calls have outcomes, and each item is settled by its own.

The handler and the worker use the same steps: `plan`, `merging`, `sending`, which asks the partner with `asking`. What
is left of a request afterwards, for a queue or a dead-letter queue, is made by `remainder`.
"""
