-- Gold entities whose exact text is a vocabulary word, in the set of a character, or the best of one or of all of them
WITH mentions AS (
    SELECT split, sentence_id, entity.label AS type, entity.start AS start_, entity.end AS end_,
           array_to_string(characters[entity.start + 1 : entity.end], '') AS text
    FROM (SELECT split, sentence_id, characters, unnest(entities) AS entity FROM sentences)
),
known AS (
    SELECT mentions.*, boundary_id FROM mentions LEFT JOIN vocabulary ON word = text
),
answered AS (
    SELECT split, sentence_id, start_, list_contains(set_ids, boundary_id) AS in_set, best_id = boundary_id AS is_best
    FROM (
        SELECT split, sentence_id, start_, boundary_id, unnest(selection_ids[start_ + 1 : end_]) AS selection_id
        FROM known JOIN selection_ids USING (split, sentence_id)
        WHERE boundary_id IS NOT NULL
    ) JOIN selections USING (selection_id)
),
judged AS (
    SELECT split, sentence_id, start_,
           bool_or(in_set) AS in_a_set, bool_or(is_best) AS a_best, bool_and(is_best) AS all_best
    FROM answered GROUP BY ALL
)
SELECT
    split,
    coalesce(type, 'all') AS type,
    count(*) AS entities,
    count(boundary_id) / count(*) AS share_in_vocabulary,
    count(*) FILTER (in_a_set) / count(*) AS share_in_a_set,
    count(*) FILTER (a_best) / count(*) AS share_best_of_one,
    count(*) FILTER (all_best) / count(*) AS share_best_of_all
FROM known LEFT JOIN judged USING (split, sentence_id, start_)
GROUP BY GROUPING SETS ((split, type), (split))
ORDER BY list_position(['train', 'dev', 'test', 'text'], split), grouping(type), type;
