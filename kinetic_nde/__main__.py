"""`python -m kinetic_nde` is the command kinetic-nde."""

from .cli import app

if __name__ == "__main__":
    app(prog_name="kinetic-nde")
