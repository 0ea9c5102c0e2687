"""What a network does to data, without solving for a density."""
