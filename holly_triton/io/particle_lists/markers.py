"""Marker files of ChimeraX (``.cmm``): spheres over a map, one marker set a class."""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from .particle_list import ParticleList

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Distinguishable with any colour vision (Okabe & Ito 2008), and grey."""
RADIUS = 50.0
"""Of a marker, Å."""


def write_cmm(path: Path, particles: ParticleList) -> None:
    """Write positions in Å from the centre of voxel 0, where ChimeraX puts a map whose header has origin 0."""
    lines = ["<marker_sets>\n"]
    for place, label in enumerate(particles.classes):
        red, green, blue = (int(COLOURS[place % len(COLOURS)][at : at + 2], 16) / 255 for at in (1, 3, 5))
        lines.append(f"<marker_set name={quoteattr(label)}>\n")
        for number, (x, y, z) in enumerate(particles.take(particles.labels == label).positions, start=1):
            lines.append(
                f'<marker id="{number}" x="{x:.3f}" y="{y:.3f}" z="{z:.3f}" r="{red:.3f}" g="{green:.3f}" '
                f'b="{blue:.3f}" radius="{RADIUS:g}"/>\n'
            )
        lines.append("</marker_set>\n")
    path.write_text("".join([*lines, "</marker_sets>\n"]), encoding="utf-8")
