-- Cosines of distinct (character, segment) pairs in bins of 0.1, all candidates and the best: to choose a threshold
WITH candidate_bins AS (
    SELECT floor(round(cosine_from / 0.02) / 5)::INTEGER AS bin, sum(n_candidates) AS n FROM cosines GROUP BY bin
),
best_bins AS (
    -- A cosine of 1 belongs to the last bin of the histogram, wherever rounding put it.
    SELECT least(floor(best_cosine * 10 + 1e-5), (SELECT max(bin) FROM candidate_bins))::INTEGER AS bin, count(*) AS n
    FROM selections WHERE best_id <> 0 GROUP BY bin
)
SELECT
    round(bin / 10, 1) AS cosine_from,
    coalesce(candidate_bins.n, 0)::BIGINT AS candidates,
    coalesce(candidate_bins.n, 0) / sum(candidate_bins.n) OVER () AS share_candidates,
    coalesce(sum(candidate_bins.n) OVER (ORDER BY bin DESC), 0) / sum(candidate_bins.n) OVER () AS candidates_from_here,
    coalesce(best_bins.n, 0)::BIGINT AS best,
    coalesce(best_bins.n, 0) / sum(best_bins.n) OVER () AS share_best,
    coalesce(sum(best_bins.n) OVER (ORDER BY bin DESC), 0) / sum(best_bins.n) OVER () AS best_from_here
FROM candidate_bins FULL JOIN best_bins USING (bin)
WHERE candidate_bins.n > 0 OR best_bins.n > 0
ORDER BY bin;
