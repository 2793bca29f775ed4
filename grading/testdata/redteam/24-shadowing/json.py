loads = dumps = lambda *a, **k: 4
