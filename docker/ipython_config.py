# Of `make notebook`: what lies beside a notebook can be imported, but after the packages. Else in examples/distributed
# `import horovod` would be the recipe of that name.
c.InteractiveShellApp.exec_lines = ["import sys; sys.path.sort(key=lambda folder: folder == '')"]  # noqa: F821
