c.InteractiveShellApp.exec_lines = ['square = lambda x: x * x']
