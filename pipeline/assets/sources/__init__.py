"""Three ways in: a package of the configured index, an https address, a model of the hub. All checked, none run.

Every failure is one MissingResourceError (not reachable, not there) or InputDataError (there, but not what was
promised). Nothing here unpickles or imports what it fetched.
"""
