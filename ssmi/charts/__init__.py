"""Every chart of this program, drawn by matplotlib: as a picture file, or as inline SVG for the report's page."""
