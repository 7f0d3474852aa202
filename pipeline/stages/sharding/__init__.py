"""What the shards stage is made of: the columns of a part, and the states that lie beside it."""
