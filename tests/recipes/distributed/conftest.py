import importlib.util

# Horovod is in the images of the target `distributed`; `nox -s cluster` runs its test there, by name.
collect_ignore = [] if importlib.util.find_spec('horovod') else ['test_horovod.py']
