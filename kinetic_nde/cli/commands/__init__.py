"""The commands, each of which is registered where it is imported.

They read the arguments and the file first and import then what takes long to import, so that `--help` and mistakes wait for
nothing but the package itself.
"""

from . import classify as classify, fit as fit, predict as predict, regress as regress, retrain as retrain
