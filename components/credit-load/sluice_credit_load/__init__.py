"""credit-load: credit-risk rows from the lake or from an allowed URL, checked, and enlarged where asked."""

NAME = 'credit-load'
VERSION = '0.1.0'
