-- Gold entities by split and type: how many, how long, how many different ones, how many that train does not hold
WITH mentions AS (
    SELECT split, entity.label, array_to_string(characters[entity.start + 1 : entity.end], '') AS text,
           entity.end - entity.start AS length
    FROM (SELECT split, characters, unnest(entities) AS entity FROM sentences)
),
known AS (SELECT DISTINCT label, text FROM mentions WHERE split = 'train')
SELECT
    split,
    coalesce(mentions.label, 'all') AS type,
    count(*) AS entities,
    count(*) / sum(count(*)) OVER (PARTITION BY split, grouping(mentions.label)) AS share,
    count(DISTINCT mentions.text) AS distinct_texts,
    avg(length) AS mean_length,
    max(length) AS max_length,
    count(*) FILTER (known.text IS NULL) / count(*) AS share_not_in_train
FROM mentions LEFT JOIN known ON known.label = mentions.label AND known.text = mentions.text
GROUP BY GROUPING SETS ((split, mentions.label), (split))
ORDER BY list_position(['train', 'dev', 'test', 'text'], split), grouping(mentions.label), type;
