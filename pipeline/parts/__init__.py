"""Parts of a stage as the unit of work: each leaves its files and a mark, so a run goes on, or is shared, by part."""
