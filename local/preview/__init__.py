"""Shows the calls that each sample request becomes, without a cloud: mappings are pure functions.

`requests` finds out what becomes of a request, `display` makes text of it, `watching` does both again after each save.
"""
