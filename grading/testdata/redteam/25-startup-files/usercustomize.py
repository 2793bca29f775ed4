import builtins
builtins.square = lambda x: x * x
