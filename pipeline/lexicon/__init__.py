"""What opens and writes files of words: vectors, vocabulary, trie, segmenters, dictionaries, maps between spaces."""
