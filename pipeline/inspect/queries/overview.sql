-- Sentences, characters and gold entities by split
SELECT
    coalesce(split, 'all') AS split,
    count(*) AS sentences,
    sum(len(characters))::BIGINT AS characters,
    sum(len(entities))::BIGINT AS entities,
    avg(len(characters)) AS mean_length,
    max(len(characters)) AS max_length,
    -- null in a corpus, whose sentences have no gold
    count(*) FILTER (len(entities) = 0) / nullif(count(entities), 0) AS share_without_entity
FROM sentences
GROUP BY GROUPING SETS ((split), ())
ORDER BY coalesce(list_position(['train', 'dev', 'test', 'text'], split), 9);
