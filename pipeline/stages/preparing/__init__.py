"""Components of the prepare stage: the choice of train sentences that become dev."""
