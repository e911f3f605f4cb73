def needs_of(key): return lambda: []
