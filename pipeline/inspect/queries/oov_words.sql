-- The 100 most frequent segments of two or more characters outside the vocabulary
SELECT
    segment,
    count(*) AS occurrences,
    count(*) FILTER (split = 'train') AS train,
    count(*) FILTER (split = 'dev') AS dev,
    count(*) FILTER (split = 'test') AS test
FROM (SELECT split, unnest(segments) AS segment FROM segments) JOIN distinct_segments USING (segment)
WHERE boundary_id = 0 AND length(segment) > 1
GROUP BY segment
ORDER BY occurrences DESC, segment
LIMIT 100;
