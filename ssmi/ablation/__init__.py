"""Configurations of the network, their runs over seeds, and the table and plots made from them."""
