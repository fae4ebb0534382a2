"""Makes the environments that the commands of the Makefile run in.

Only the standard library is imported here: it runs before anything is installed.
"""
