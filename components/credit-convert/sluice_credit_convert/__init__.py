"""credit-convert: the trained trees as a model folder without pickles, and proof that daal4py takes them where it is installed."""

NAME = 'credit-convert'
VERSION = '0.1.0'
