-- The 100 pairs of character and word with the largest PMI weight p(b) * PMI(c, b)
SELECT word, character, n_events AS events, pmi, weight
FROM pmi_pairs JOIN vocabulary USING (boundary_id)
ORDER BY weight DESC, boundary_id, character
LIMIT 100;
