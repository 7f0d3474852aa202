"""matplotlib's SVG becomes an element of a page."""

from __future__ import annotations

from ssmi.charts.inline import page_svg

SOURCE = b"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" viewBox="0 0 72 36">
 <metadata><a/></metadata><defs><style>*{fill: red}</style></defs>
 <g id="figure"><g id="tooltip-0"><path d="M 0.12345 1
L 2 3.999" style="fill: none; stroke: #0072b2"/></g></g>
 <defs><path id="dot" d="M 0 0 L 1 1"/></defs>
 <use xlink:href="#dot" x="1.23456" y="2"/>
 <text style="font: 10px 'DejaVu Sans', sans-serif; fill: #123456" transform="rotate(-0 1 2)">&lt;a&gt;</text>
</svg>"""


def test_the_svg_has_a_label_and_no_fixed_size() -> None:
    svg = page_svg(SOURCE, label='a "b" <c>', tooltips={})
    assert svg.startswith('<svg viewBox="0 0 72 36" role="img" aria-label="a &quot;b&quot; &lt;c&gt;"')
    assert "72pt" not in svg and "xmlns" not in svg and "metadata" not in svg and "red" not in svg


def test_only_referenced_ids_are_kept() -> None:
    svg = page_svg(SOURCE, label="", tooltips={})
    assert svg.count(' id="') == 1 and '<use href="#dot" x="1.2" y="2" />' in svg


def test_palette_colours_are_variables_and_fonts_are_inherited() -> None:
    svg = page_svg(SOURCE, label="", tooltips={})
    assert '<path d="M 0.1 1 L 2 4.0" style="fill: none; stroke: var(--blue)" />' in svg
    assert '<text style="font-size: 10px; fill: #123456">&lt;a&gt;</text>' in svg


def test_a_tooltip_is_the_escaped_title_of_its_group() -> None:
    svg = page_svg(SOURCE, label="", tooltips={"tooltip-0": "<b>"})
    assert "<g><title>&lt;b&gt;</title><path " in svg
    assert "<g>" not in page_svg(SOURCE, label="", tooltips={})
