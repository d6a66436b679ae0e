"""transfer: brings data to a step and carries its results away, over URLs that were signed for exactly that."""

NAME = 'transfer'
VERSION = '0.1.0'
