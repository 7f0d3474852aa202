"""Between the tables of the contract and the arrays that features are computed with: no Python object a character."""
