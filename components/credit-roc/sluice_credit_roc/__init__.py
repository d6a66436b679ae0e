"""credit-roc: judges the predictions, draws the ROC curve, and packs the model with its report."""

NAME = 'credit-roc'
VERSION = '0.1.0'
