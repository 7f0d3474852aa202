-- Size of the set S_s (candidates over the threshold): share of empty ones and quantiles over positions, by split
WITH positions AS (
    SELECT split, len(set_ids) AS n
    FROM (SELECT split, unnest(selection_ids) AS selection_id FROM selection_ids) JOIN selections USING (selection_id)
)
SELECT
    split,
    count(*) AS positions,
    count(*) FILTER (n = 0) / count(*) AS share_empty,
    avg(n) AS mean,
    quantile_disc(n, 0.25) AS p25,
    quantile_disc(n, 0.5) AS median,
    quantile_disc(n, 0.75) AS p75,
    quantile_disc(n, 0.9) AS p90,
    max(n) AS max,
    count(*) FILTER (n = largest) / count(*) AS share_largest
FROM positions, (SELECT max(len(set_ids)) AS largest FROM selections)
GROUP BY split
ORDER BY list_position(['train', 'dev', 'test', 'text'], split);
