"""credit-split: rows into a training and a test part; copies stay on the side of their original."""

NAME = 'credit-split'
VERSION = '0.1.0'
