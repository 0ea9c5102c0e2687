"""Figures of what a solve returns. Each function takes an `Axes`, or makes one of the width of a paper's column, and returns it.

Importing this package imports matplotlib; nothing else in the library does, so it is imported by name: `import kinetic_nde.plotting`.
"""

from .animation import animate as animate
from .density import plot_density as plot_density
from .evolution import plot_evolution as plot_evolution
from .field import plot_field as plot_field
from .histogram import plot_histogram as plot_histogram
from .moments import plot_moments as plot_moments
from .snapshots import plot_snapshots as plot_snapshots
from .style import COLOURS as COLOURS, LINES as LINES, figure as figure, style as style
from .trajectories import plot_trajectories as plot_trajectories
from .updates import plot_updates as plot_updates
