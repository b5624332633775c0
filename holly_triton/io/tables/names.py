"""The names that programs of the field give to positions, their precision, photons, frames, particles and channels.

A name is compared by its letters and digits alone, without its unit: ``X precision (nm)``, ``x_precision_nm`` and
``XPrecision [nm]`` are one name, ``xprecision``. In a pattern, ``{0}`` stands for the axis. If a table has several
names of a list, the first is used.
"""

import re
from functools import cache

CORRECTED = (
    "{0}driftcorrected", "driftcorrected{0}", "{0}corrected", "corrected{0}", "{0}centercorrected", "{0}centrecorrected",
    "{0}positioncorrected", "position{0}corrected", "{0}poscorrected", "{0}corr", "corr{0}", "{0}cor", "{0}poscorr",
    "{0}undrifted", "undrifted{0}", "{0}nodrift", "{0}dc", "{0}c",
)  # fmt: skip
"""Positions after the correction of drift (N-STORM: Xc beside X)."""
PLAIN = (
    "{0}", "position{0}", "{0}position", "{0}pos", "pos{0}", "{0}coord", "coord{0}", "{0}coordinate", "coordinate{0}",
    "{0}loc", "loc{0}", "{0}localization", "{0}localisation", "{0}center", "{0}centre", "center{0}", "centre{0}",
    "{0}centroid", "centroid{0}", "{0}0", "{0}raw", "raw{0}", "{0}uncorrected", "{0}fit", "fitresults{0}0",
)  # fmt: skip
"""Positions without a correction, or with one that the file does not name."""

LATERAL = (
    "uncertaintyxy", "xyuncertainty", "lateraluncertainty", "uncertaintylateral", "uncertainty", "precision",
    "precisionxy", "xyprecision", "lateralprecision", "precisionlateral", "locprec", "lp", "lpxy", "locprecision",
    "locprecxy", "localizationprecision", "localisationprecision", "lateralprecision", "laterallocalizationprecision",
    "laterallocalisationprecision", "laterallocalizationaccuracy", "laterallocalisationaccuracy", "lateralaccuracy",
    "localizationaccuracy", "localisationaccuracy", "localizationuncertainty", "localisationuncertainty",
    "positionuncertainty", "locuncertainty", "localizationerror", "localisationerror", "locerror", "locerr", "lateralerror",
    "xyerror", "errorxy", "crlb", "crlbxy",
)  # fmt: skip
"""Lateral localisation precision in one column. Not ``sigma``, which is the width of the PSF."""
ALONG = (
    "uncertainty{0}", "{0}uncertainty", "precision{0}", "{0}precision", "lp{0}", "{0}lp", "locprec{0}", "{0}locprec",
    "locprecision{0}", "{0}locprecision", "localizationprecision{0}", "{0}localizationprecision", "{0}accuracy",
    "accuracy{0}", "{0}localizationaccuracy", "localizationaccuracy{0}", "{0}err", "err{0}", "{0}error", "error{0}",
    "{0}locerror", "locerror{0}", "{0}locerr", "fiterror{0}0", "fiterror{0}", "{0}fiterror", "{0}poserror", "{0}poserr",
    "{0}se", "se{0}", "{0}stderr", "stderr{0}", "{0}sig", "{0}std", "std{0}", "{0}stdev", "{0}sd", "crlb{0}", "{0}crlb",
    "sigma{0}posfull", "sigma{0}pos", "{0}possigma", "sigma{0}position", "{0}positionuncertainty", "{0}posuncertainty",
)  # fmt: skip
"""Precision along one axis; along x and y both are needed. Not ``sx`` or ``sigma_x``, which are widths of the PSF."""
AXIAL = (
    "axialuncertainty", "uncertaintyaxial", "axialprecision", "precisionaxial", "axiallocalizationprecision",
    "axiallocalisationprecision", "axiallocalizationaccuracy", "axiallocalisationaccuracy", "axialaccuracy", "axialerror",
)  # fmt: skip

PICASSO = ("lpx", "lpy", "sx", "sy")
"""Names that Picasso alone gives to columns: x, y and these are in pixels, in CSV too."""

PARTICLE = (
    "particle", "group", "cluster", "idparticle", "particleid", "particleindex", "clusterid", "idcluster", "clusterlabel",
    "clusterindex", "particlenumber",
)  # fmt: skip
PHOTONS = (
    "photons", "intensity", "phot", "numberphotons", "numphotons", "nphotons", "6nphotons", "photoncount", "photonnumber",
    "numberofphotons", "detectedphotons", "signalphotons", "sumsignalph", "sumsignalphotons",
)  # fmt: skip
FRAME = (
    "frame", "frames", "frameix", "frameid", "frameidx", "frameindex", "framenum", "framenumber", "firstframe", "startframe",
    "imagenumber",
)  # fmt: skip
CHANNEL = (
    "channel", "channelname", "channelid", "channelindex", "channelnumber", "channels", "chan", "ch", "category", "probe",
    "probename", "labelset", "colour", "color", "colourid", "colorid", "colorchannel", "dye", "dyename", "fluorophore",
    "species", "wavelength",
)  # fmt: skip
"""The dye of a localisation, where there are several."""
FILE = ("filenumber", "fileid", "fileindex", "filename")
"""The original file of a localisation, where several were merged into one (SMAP)."""
VALID = ("valid", "vld", "isvalid", "accepted")
"""1 or true for localisations that the program itself accepts."""
REJECTED = re.compile(r"reject|non[ _-]?specific|invalid|discard|trash", re.IGNORECASE)
"""Words of a channel that mark rows as no part of the data, such as ``Z Rejected`` of N-STORM."""

# Units that a name holds without brackets. Short ones are units only behind a separator, or right behind the axis.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<name>[xyz])[ _.-]*(?P<unit>um|\u00b5m|\u03bcm|mm|px)",
        r"(?P<name>[xyz])[ _.-]+(?P<unit>m|a|pm|cm)",
        r"(?P<name>.*[^ _.-])[ _.-]+(?P<unit>nm|um|\u00b5m|\u03bcm|px|pix|pixels?|nano[a-z]*|micro[a-z]*|met(?:er|re)s?|angstroms?)",
        r"(?P<name>\w*[a-z0-9])(?P<unit>nm|pixels?|pix|nano)",
    )
)
_WITHIN = re.compile(r"(?P<axis>[xyz])[ _.-]*(?P<unit>nm|um|px|pix)[ _.-]*(?P<rest>[a-z]+)", re.IGNORECASE)


@cache
def parse_name(name: str) -> tuple[str, str | None]:
    """The letters and digits of a name, in lower case, without the unit that it may end in; and that unit.

    ``x_nm`` and ``xnm`` are x in nm, ``xnmerr`` is xerr in nm; but the um of ``sum`` is no unit.
    """
    name = name.strip()
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(name):
            return letters(match["name"]), match["unit"]
    if within := _WITHIN.fullmatch(name):
        return letters(within["axis"] + within["rest"]), within["unit"]
    return letters(name), None


def letters(text: str) -> str:
    """The letters and digits of a text, in lower case."""
    return "".join(character for character in text.lower() if character.isalnum())
