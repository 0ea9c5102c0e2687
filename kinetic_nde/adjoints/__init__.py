"""How the loop over time steps runs, and with it how derivatives pass through a solve."""
