-- Segments outside the vocabulary: share of the distinct ones and of all occurrences, by split
WITH counted AS (
    SELECT split, segment, boundary_id = 0 AS oov,
           CASE split WHEN 'train' THEN n_train WHEN 'dev' THEN n_dev WHEN 'test' THEN n_test
                ELSE n_train + n_dev + n_test END AS occurrences
    FROM distinct_segments, (VALUES ('train'), ('dev'), ('test'), ('all')) AS splits (split)
)
SELECT
    split,
    count(*) AS distinct_segments,
    count(*) FILTER (oov) AS distinct_oov,
    count(*) FILTER (oov) / count(*) AS share_distinct_oov,
    sum(occurrences)::BIGINT AS occurrences,
    coalesce(sum(occurrences) FILTER (oov), 0)::BIGINT AS occurrences_oov,
    coalesce(sum(occurrences) FILTER (oov), 0) / sum(occurrences) AS share_occurrences_oov,
    coalesce(sum(occurrences) FILTER (oov AND length(segment) = 1), 0) / sum(occurrences) AS share_single_characters
FROM counted
WHERE occurrences > 0
GROUP BY split
ORDER BY list_position(['train', 'dev', 'test', 'all'], split);
