"""What both sides use: going through a described model, the classes of CUSTOM, jobs, refusals. Python 3.6 and newer."""

import importlib.util
import json
import os
import re
import sys
import traceback

import numpy as np

FULL = re.compile('No space left|requested and [0-9]+ written|File too large|Disk quota|[Ee]rrno = (28|27)')
NO_SPACE = 'the disk is full, or may not hold a file of this size: make room, or name another folder in OUT'
SMALL, DEEP = 1e-5, 1e-4  # tolerated difference, relative to the largest answer
DEEP_FROM = 15  # layers with weights; rounding alone gave a VGG16, which has 16, 1.1e-05
MOVES = ('chance', 'rounding')  # why the old model's own answers move (old.own_moves)


class Refused(Exception):
    """A sentence for the user: what is wrong and what to do. code: 2 the arguments, 3 the file or the machine."""

    def __init__(self, sentence, code=3):
        super().__init__(sentence)
        self.code = code


def read_json(*path):
    with open(os.path.join(*path), encoding='utf-8') as file:
        return json.load(file)


def write_json(value, *path):
    with open(os.path.join(*path), 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=1)


def compare(old, new):
    """Largest difference, absolute and in relation to the largest old answer; infinite where shapes or NaNs differ."""
    if old.shape != new.shape or not np.array_equal(np.isnan(old), np.isnan(new)):
        return np.inf, np.inf
    old, new = old.astype('float64'), new.astype('float64')
    with np.errstate(invalid='ignore'):
        difference = np.where((old == new) | np.isnan(old), 0, np.abs(old - new))
    largest = float(np.max(difference, initial=0))
    size = float(np.max(np.abs(old[np.isfinite(old)]), initial=0))
    return largest, largest / size if size else (np.inf if largest else 0.0)


def tolerated(description):
    """How far an answer may lie from the old one, in relation to the largest old answer."""
    return DEEP if _count(description) > DEEP_FROM else SMALL


def _count(description):
    return sum(_count(layer['model']) if layer['model'] else bool(layer['weights']) for layer in description['layers'])


def undecided(moves, tolerance):
    """Whether the old model's own answers move so far that a difference from them decides nothing. None: not known."""
    return moves is not None and moves > tolerance / 4


def walk(model, call, inputs, prefix='', trace=None):
    """Calls the layers of a described model in the order of its graph; returns the list of its outputs.

    model: a description, as old.describe writes it. call(layer, path, tensors, keywords, trace) returns the list of a
    layer's outputs. trace: a list that gets (path, description of the layer, list of outputs) of each call.
    """
    tensors = {tuple(ref): tensor for ref, tensor in zip(model['inputs_at'], inputs)}
    waiting = [[layer, 0] for layer in model['layers']]
    while waiting:
        before = len(tensors)
        for entry in list(waiting):
            layer, done = entry
            for node in layer['nodes'][done:]:
                refs = [tuple(ref) for ref in node['from']]
                if any(ref not in tensors for ref in refs):
                    break
                path = prefix + layer['name'] + (':%d' % entry[1] if entry[1] else '')
                out = call(layer, path, [tensors[ref] for ref in refs], node['keywords'], trace)
                if trace is not None:
                    trace.append((path, layer, out))
                for n, tensor in enumerate(out):
                    tensors[layer['name'], layer['first'] + entry[1], n] = tensor
                entry[1] += 1
            if entry[1] == len(layer['nodes']):
                waiting.remove(entry)
        if waiting and len(tensors) == before:
            raise Refused('the model is described as a graph that nothing can compute: its file is damaged')
    return [tensors[tuple(ref)] for ref in model['outputs_at']]


def leaves(model, path=''):
    """Yields (path, description) of every layer that has weights of its own; a path is the names, outermost first."""
    for layer in model['layers']:
        if layer['model']:
            for leaf in leaves(layer['model'], path + layer['name'] + '/'):
                yield leaf
        else:
            yield path + layer['name'], layer


def load_custom(entries, newer):
    """The classes and functions that CUSTOM names: a dict of name -> object.

    entries: (file, name) pairs. A name that stands twice is for the old side first, for the newer side the last time.
    Raises Refused where a file does not import; beside the old side, which may not need it, the Refused takes the place
    of the object.
    """
    paths, found = {}, {}
    for path, name in entries if newer else reversed(entries):
        paths[name] = path
    for name, path in paths.items():
        try:
            found[name] = import_one(path, name, newer)
        except Refused as error:
            if newer:
                raise
            found[name] = error
    return found


def import_one(path, name, newer):
    """The object of that name in a file, which is imported once under its own name."""
    module_name = os.path.splitext(os.path.basename(path))[0]
    module = sys.modules.get(module_name)
    if module is None or getattr(module, '__file__', None) != path:
        if not os.path.isfile(path):
            raise Refused('CUSTOM names %s, and there is no such file' % path, 2)
        spec = importlib.util.spec_from_file_location(module_name, path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, os.path.dirname(path))
        wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing is left in the user's folder
        try:
            spec.loader.exec_module(module)
        except BaseException as error:  # also a SystemExit of the file's
            where = 'a current Keras' if newer else 'Keras 2.2.4'
            raise Refused(
                'CUSTOM: %s does not import beside %s: %s: %s' % (path, where, type(error).__name__, error), 2
            ) from None
        finally:
            sys.path.pop(0)
            sys.dont_write_bytecode = wrote
        sys.modules[module_name] = module
    if not hasattr(module, name):
        raise Refused('CUSTOM names %s, which %s does not define' % (name, path), 2)
    return getattr(module, name)


def run_jobs(path, work):
    """Runs `work(job)` for each job of a JSON list. One that fails leaves error.json in its folder; the rest go on."""
    for job in read_json(path):
        try:
            work(job)
        except Refused as error:
            write_json({'code': error.code, 'sentence': str(error)}, job['work'], 'error.json')
        except Exception as error:
            if FULL.search(str(error)):
                write_json({'code': 3, 'sentence': NO_SPACE}, job['work'], 'error.json')
                continue
            traceback.print_exc()
            sentence = '%s: %s' % (type(error).__name__, str(error).strip().split('\n')[0])
            write_json({'code': 3, 'sentence': sentence, 'unexpected': True}, job['work'], 'error.json')
