"""The seam: what an integration hands to the framework, and what becomes of it."""
