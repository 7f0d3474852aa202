"""What the prepare stage is made of: the share of train that becomes dev."""
