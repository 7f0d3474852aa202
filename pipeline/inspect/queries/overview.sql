-- Sentences, characters and gold entities by split
SELECT
    coalesce(split, 'all') AS split,
    count(*) AS sentences,
    sum(len(characters))::BIGINT AS characters,
    sum(len(entities))::BIGINT AS entities,
    avg(len(characters)) AS mean_length,
    max(len(characters)) AS max_length,
    count(*) FILTER (len(entities) = 0) / count(*) AS share_without_entity
FROM sentences
GROUP BY GROUPING SETS ((split), ())
ORDER BY coalesce(list_position(['train', 'dev', 'test'], split), 9);
