-- Candidate boundaries of a character: quantiles over the positions of each split
WITH positions AS (
    SELECT split, n_candidates AS n
    FROM (SELECT split, unnest(selection_ids) AS selection_id FROM selection_ids) JOIN selections USING (selection_id)
)
SELECT
    split,
    count(*) AS positions,
    count(*) FILTER (n = 0) / count(*) AS share_none,
    avg(n) AS mean,
    min(n) AS min,
    quantile_disc(n, 0.1) AS p10,
    quantile_disc(n, 0.25) AS p25,
    quantile_disc(n, 0.5) AS median,
    quantile_disc(n, 0.75) AS p75,
    quantile_disc(n, 0.9) AS p90,
    quantile_disc(n, 0.99) AS p99,
    max(n) AS max
FROM positions
GROUP BY split
ORDER BY list_position(['train', 'dev', 'test', 'text'], split);
