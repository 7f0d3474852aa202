"""Why a character in a segment gets its boundary words, as numbers and as a picture."""
