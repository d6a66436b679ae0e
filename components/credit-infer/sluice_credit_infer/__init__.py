"""credit-infer: labels and probabilities of the test rows, by daal4py where it is installed, else by XGBoost."""

NAME = 'credit-infer'
VERSION = '0.1.0'
