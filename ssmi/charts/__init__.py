"""Charts drawn with matplotlib, as picture files or as inline SVG for the report's page."""
