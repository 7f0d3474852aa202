"""Texts given by the user: their encoding, their structure, and the records in them."""
