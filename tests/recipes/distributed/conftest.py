import importlib.util

from tensorflow_with_keras import recipe

# Horovod is in the images of the target `distributed`; `nox -s cluster` runs its test there, by name.
collect_ignore = [
    'test_%s.py' % r.name.split('/')[1]
    for r in recipe.find().values()
    if r.needs and not importlib.util.find_spec(r.needs)
]
