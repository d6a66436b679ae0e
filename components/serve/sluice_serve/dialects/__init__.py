"""One module per way of asking: the platform's own JSON in, its own JSON out."""
