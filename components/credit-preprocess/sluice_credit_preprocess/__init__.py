"""credit-preprocess: rows into features, with transforms that are fitted on the training part only."""

NAME = 'credit-preprocess'
VERSION = '0.1.0'
