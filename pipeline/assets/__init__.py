"""Named data sets, word vectors and encoders: where they come from, their checksums, and the cache they rest in."""
