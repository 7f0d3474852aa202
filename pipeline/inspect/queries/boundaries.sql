-- The best boundary S_m by split: how often there is one, how often it is the segment itself, and its cosine
WITH answers AS (
    SELECT selection_id, best_id, best_cosine, word IS NOT DISTINCT FROM segment AS is_segment
    FROM selections LEFT JOIN vocabulary ON boundary_id = best_id
),
positions AS (
    SELECT split, answers.*
    FROM (SELECT split, unnest(selection_ids) AS selection_id FROM selection_ids) JOIN answers USING (selection_id)
)
SELECT
    split,
    count(*) AS positions,
    count(*) FILTER (best_id <> 0) / count(*) AS share_with_best,
    count(*) FILTER (is_segment) / count(*) AS share_best_is_segment,
    avg(best_cosine) AS mean_cosine,
    avg(best_cosine) FILTER (NOT is_segment) AS mean_cosine_of_others,
    count(DISTINCT nullif(best_id, 0)) AS distinct_boundaries
FROM positions
GROUP BY split
ORDER BY list_position(['train', 'dev', 'test', 'text'], split);
