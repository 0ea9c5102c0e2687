"""The equations: physics only, pointwise."""
