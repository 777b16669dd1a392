"""The package of one of the three versions."""
