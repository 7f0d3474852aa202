"""Conversion of matplotlib's SVG into an element of a page: smaller, labelled, in the page's colours, with tooltips."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ssmi.charts.style import Colour

_VARIABLES = {colour.value: colour.css for colour in Colour}
_DROPPED = ("metadata", "style")
"""Elements left out. The style element would affect the whole page; ``page_svg`` sets its style on the root instead."""
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_FONT = re.compile(r"font: (?:\w+ )*([\d.]+px)[^;]*")
_FONT_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")
_ONE_POINT = re.compile(r"M [^A-Z]*")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_GEOMETRY = ("d", "x", "y", "transform")


def page_svg(source: bytes, *, label: str, tooltips: Mapping[str, str]) -> str:
    """Rewrite an SVG file as an element for the report's page.

    Args:
        source: matplotlib's SVG, with text as text.
        label: Description of the chart for readers who cannot see it.
        tooltips: Id of a group of the SVG → text to show when the pointer is over it.

    Returns:
        The element. Its colours are variables of the page, its text has the page's font, and it refers to nothing
        outside of itself.
    """
    tree = ElementTree.fromstring(source)
    targets = {value[1:] for node in tree.iter() for name, value in node.items() if name.endswith("href")}
    root = Element(
        "svg",
        {
            "viewBox": tree.attrib["viewBox"],
            "role": "img",
            "aria-label": label,
            "stroke-linejoin": "round",
            "fill": Colour.INK.css,
        },
    )
    root.extend([node for child in tree for node in _rewritten(child, targets, tooltips)])
    return ElementTree.tostring(root, encoding="unicode")


def _rewritten(node: Element, targets: set[str], tooltips: Mapping[str, str]) -> list[Element]:
    """Return the element without parts that a page does not need; for a group without attributes, its children."""
    name = _local(node.tag)
    if name in _DROPPED:
        return []
    values = {_local(key): _value(_local(key), value) for key, value in node.items()}
    attributes = {key: value for key, value in values.items() if value}
    if name == "path" and (attributes.get("style") == "fill: none" or _ONE_POINT.fullmatch(attributes["d"])):
        return []  # invisible: a background without a colour, or a line from a point to itself
    tooltip = tooltips.get(attributes.get("id", ""))
    if attributes.get("id") not in targets:
        attributes.pop("id", None)
    children = [each for child in node for each in _rewritten(child, targets, tooltips)]
    if tooltip is not None:
        title = Element("title")
        title.text = tooltip
        children.insert(0, title)
    elif not children and name in ("g", "defs"):
        return []
    elif name == "g" and not attributes:
        return children
    new = Element(name, attributes)
    new.text = node.text if name == "text" else None
    new.extend(children)
    return [new]


def _local(name: str) -> str:
    """Return a name without its namespace, which SVG within HTML does not need."""
    return name.rpartition("}")[2]


def _value(name: str, value: str) -> str:
    if name == "style":
        value = _FONT_FAMILY.sub("", _FONT.sub(r"font-size: \1", value))
        return _COLOUR.sub(lambda match: _VARIABLES.get(match[0], match[0]), value)
    if name in _GEOMETRY:
        value = _NO_ROTATION.sub("", value)
        return _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.1f}", " ".join(value.split()))
    return value
