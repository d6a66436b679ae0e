"""serve: the one model server; SageMaker, KServe v1 and v2, and Azure ML speak to the same process."""

NAME = 'serve'
VERSION = '0.1.0'
