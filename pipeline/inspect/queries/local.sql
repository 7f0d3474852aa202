-- Local boundaries by split: share of positions that have one, and how often it is also the best boundary
WITH positions AS (
    SELECT split, unnest(local_ids) AS local_id, unnest(best_ids) AS best_id FROM shards
)
SELECT
    split,
    count(*) AS positions,
    count(*) FILTER (local_id <> 0) / count(*) AS share_with_local,
    count(*) FILTER (local_id <> 0 AND local_id = best_id) / nullif(count(*) FILTER (local_id <> 0), 0)
        AS share_local_is_best,
    count(*) FILTER (local_id <> 0 AND best_id = 0) / count(*) AS share_local_without_best,
    count(*) FILTER (local_id = 0 AND best_id <> 0) / count(*) AS share_best_without_local
FROM positions
GROUP BY split
ORDER BY list_position(['train', 'dev', 'test', 'text'], split);
