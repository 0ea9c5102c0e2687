"""`python -m kinetic_nde.cli` is the command kinetic-nde."""

from . import app

if __name__ == "__main__":
    app(prog_name="kinetic-nde")
