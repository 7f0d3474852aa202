"""Parts of a stage as units of work: each writes its files and a mark, so runs can be resumed or shared by part."""
