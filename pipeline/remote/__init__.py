"""Files that are not on this machine, by fsspec URL: features, texts and word vectors in any storage."""
