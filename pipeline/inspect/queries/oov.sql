-- Segments outside the vocabulary: share of the distinct ones and of all occurrences, by split
WITH occurring AS (
    SELECT split, unnest(segments) AS segment FROM segments
),
counted AS (
    SELECT coalesce(split, 'all') AS split, segment, any_value(boundary_id) = 0 AS oov, count(*) AS occurrences
    FROM occurring JOIN distinct_segments USING (segment)
    GROUP BY GROUPING SETS ((split, segment), (segment))
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
GROUP BY split
ORDER BY list_position(['train', 'dev', 'test', 'text', 'all'], split);
