"""Search by words: how texts are cut into words, and an index that ranks them by BM25."""
