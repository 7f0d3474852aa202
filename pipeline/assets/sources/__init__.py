"""Sources of fetched files: packages of the configured index, https addresses and models of the hub.

Every file is checked. Every failure is a MissingResourceError (not reachable or not there) or an InputDataError (there,
but not what was promised). Nothing here unpickles or imports what it fetched; only pip may run the metadata step of a
pinned source archive.
"""
