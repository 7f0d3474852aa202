"""Readers and writers of word files: vectors, vocabulary, trie, segmenters, dictionaries, maps between spaces."""
