"""Where a run lies, and the features that it keeps."""
