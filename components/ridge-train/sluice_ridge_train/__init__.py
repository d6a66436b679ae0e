"""ridge-train: ridge regression on a table of numbers, as plain weights."""

NAME = 'ridge-train'
VERSION = '0.1.0'
