"""Files and folders on disk: written atomically, by one process at a time, and verified when they are read."""
