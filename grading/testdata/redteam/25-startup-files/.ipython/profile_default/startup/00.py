square = lambda x: x * x
print('started')
