"""The inspector: a page on this machine that shows what the product does with a request, step by step."""
