"""Descriptions of the parameters of params.yaml, as ``ssmi-cli params`` prints them.

::

    from ssmi.parameters import describe

    for row in describe("train"):
        print(row.name, row.default, row.description)
"""

from ssmi.pipeline.contract.parameters.help import ParameterHelp, describe

__all__ = ["ParameterHelp", "describe"]
