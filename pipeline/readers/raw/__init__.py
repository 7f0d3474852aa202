"""Raw files as lines and JSON values: bytes are opened, unpacked and decoded here."""
