"""Families of distributions that are steady states of noisy layers, 3.1.1 of Herty, Trimborn, Visconti (2021)."""
