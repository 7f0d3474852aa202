"""A run folder: what lies in it, what the run is made from, and the state to resume it from."""
