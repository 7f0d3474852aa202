"""The parameters of params.yaml, explained: what ``ssmi-cli params`` prints.

::

    from ssmi.parameters import describe

    for row in describe("train"):
        print(row.name, row.default, row.description)
"""

from ssmi.pipeline.contract.parameters.help import ParameterHelp, describe

__all__ = ["ParameterHelp", "describe"]
