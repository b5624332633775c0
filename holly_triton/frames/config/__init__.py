"""Every default of the family, one file a room; ``core.config`` checks, reads and writes the settings among them."""

from .calibration import *
from .camera import *
from .common import *
from .fitting import *
from .likeness import *
from .localisation import *
from .network import *
from .psf import *
from .samplers import *
from .scoring import *
from .shipped import *
from .simulation import *
from .training import *
