"""`python -m kinetic_nde.cli` is the command kinetic-nde."""

from .program import main

if __name__ == "__main__":
    main()
