"""Third-order finite volumes: one file per ingredient, `scheme.py` puts them together."""
