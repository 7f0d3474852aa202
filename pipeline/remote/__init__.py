"""Files that lie elsewhere than on this machine, by fsspec URL: features, texts and word vectors in any storage."""
