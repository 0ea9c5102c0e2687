"""The methods: numerics only."""
