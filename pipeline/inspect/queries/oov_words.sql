-- The 100 most frequent segments outside the vocabulary (of two or more characters: single ones never are in it)
SELECT segment, n_train + n_dev + n_test AS occurrences, n_train AS train, n_dev AS dev, n_test AS test
FROM distinct_segments
WHERE boundary_id = 0 AND length(segment) > 1 AND n_train + n_dev + n_test > 0
ORDER BY occurrences DESC, segment
LIMIT 100;
