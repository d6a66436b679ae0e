"""csv-refine: rows of a site's CSV files, judged by what the pipeline declares of them, beside the data."""

NAME = 'csv-refine'
VERSION = '0.1.0'
