"""python - < functions.py: the bytecode of four functions, as func_dump of Keras writes it. Any Python."""

import codecs
import json
import marshal


def closed(n):
    return lambda x: x[:, :n]


def named(x, k=2):
    y = K.abs(x) if k else x  # noqa: F821
    return [tf.reduce_sum(z) for z in (y, y)][0]  # noqa: F821


functions = {
    'double': lambda x: x * 2,
    'method': lambda x: K.abs(x) * 2.0,  # noqa: F821
    'closed': closed(3),
    'named': named,
}
dumps = {name: codecs.encode(marshal.dumps(f.__code__), 'base64').decode('ascii') for name, f in functions.items()}
print(json.dumps(dumps, sort_keys=True))
