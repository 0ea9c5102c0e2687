"""The command kinetic-nde."""

from . import commands as commands
from .application import app as app
