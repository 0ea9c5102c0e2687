"""Distributions of measurements: grids, densities on them, ensembles of samples, distances."""
