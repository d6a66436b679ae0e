"""credit-train: gradient-boosted trees by XGBoost, from scratch or on top of an earlier model."""

NAME = 'credit-train'
VERSION = '0.1.0'
