"""Reports: the pages of an interpolation, a simulation, a sweep and a reproduced figure; figures; films."""

from .dynamics import draw_simulation as draw_simulation
from .film import check_film as check_film
from .film import write_film as write_film
from .literature import write_page as write_page
from .motion import POINTS as POINTS
from .simulation import write_simulation as write_simulation
from .sweep import write_sweep as write_sweep
from .write import write_report as write_report
