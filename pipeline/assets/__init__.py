"""Named data sets, word vectors and encoders: their sources, their checksums, and the cache that holds them."""
