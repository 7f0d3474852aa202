"""Features of a character besides its token: segment position, boundary role, boundary gate and matching words."""
