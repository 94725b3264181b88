"""Reports: the one of an interpolation as an HTML page, the figures and the animation of a simulation, the page of a reproduced figure."""

from .animation import write_animation as write_animation
from .dynamics import draw_simulation as draw_simulation
from .film import check_film as check_film
from .film import write_film as write_film
from .literature import write_page as write_page
from .write import write_report as write_report
