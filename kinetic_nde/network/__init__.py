"""The network: activations, parameters over time, and the simplified residual network."""
