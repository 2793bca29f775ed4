mean = lambda xs: 0
