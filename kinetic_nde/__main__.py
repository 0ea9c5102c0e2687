"""`python -m kinetic_nde` is the command kinetic-nde."""

from .cli.program import main

if __name__ == "__main__":
    main()
