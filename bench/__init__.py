"""Benchmarks: what the integration costs, against a baseline that is measured in the same run."""
