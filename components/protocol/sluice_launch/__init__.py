"""Runs a step where no container image brings it: a wheel on a cluster whose files are on a mounted volume."""
