"""The version of the code that trains. Importing this module loads no torch."""

REVISION = 4
"""What ``Stage.version`` is to a stage of features: raised whenever the same parameters and shards come to give other
figures. A run's fingerprint holds it, and so does the ``train`` stage of dvc.yaml; ``make golden`` asks for it."""
