"""refine: bronze files into silver and gold by the owner's SQL, outside the app, one Delta commit in each table."""

NAME = 'refine'
VERSION = '0.1.0'
