"""How stages run: what a stage is, their order, whether one is up to date, its copy in storage, and its encoder."""
