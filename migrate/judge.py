"""Compares what both sides answered. `python -m migrate.judge JOBS` writes proof.json into the folder of each job."""

import json
import os
import sys

import numpy as np

from .common import MOVES, compare, run_jobs, tolerated, undecided, write_json

SATURATED = 30.0  # logits from here on give a softmax that is 0 or 1 in float32, or that noise decides
HARDLY = 1e-4  # of the largest answer: a smaller variation over all samples proves nothing


def varies(batches):
    """Whether answers tell samples or places apart: their range over all samples, in relation to the largest."""
    flat = [array.reshape(len(array), -1).astype('float64') for array in batches if array.ndim and array.size]
    if not flat:
        return False
    size = max(np.abs(each[np.isfinite(each)]).max(initial=0) for each in flat)
    ranges = [np.ptp(each, axis=0).max(initial=0) for each in flat if len(each) > 1 and np.isfinite(each).all()]
    if not ranges:
        ranges = [np.ptp(each) for each in flat if np.isfinite(each).all()]
    return bool(ranges) and size > 0 and max(ranges) > HARDLY * size


def saturated(batches, logits):
    """Whether a softmax, sigmoid or tanh gives hardly anything but its ends, so that it hides what stands before it."""
    if logits is not None:
        return bool(np.abs(logits - logits.mean()).max(initial=0) > SATURATED)
    values = np.concatenate([np.abs(array.ravel().astype('float64')) for array in batches])
    ends = (np.abs(values) < 1e-6) | (np.abs(values - 1) < 1e-6)
    return bool(values.max(initial=0) <= 1 + 1e-6 and ends.mean() > 0.99 and (np.abs(values - 1) < 1e-6).any())


def load_layers(folder, name, keys):
    saved = np.load(os.path.join(folder, name))
    at = {key: f'arr_{n}' for n, key in enumerate(keys)}
    return lambda key: saved[at[key]] if key in at else None


def judge(folder):
    """The proof as a dict, out of what the two sides left in the folder."""
    with open(os.path.join(folder, 'description.json'), encoding='utf-8') as file:
        description = json.load(file)
    with open(os.path.join(folder, 'new.json'), encoding='utf-8') as file:
        new = json.load(file)
    old_out = np.load(os.path.join(folder, 'outputs.npz'))
    new_out = np.load(os.path.join(folder, 'new_outputs.npz'))
    old_layer = load_layers(folder, 'layers.npz', description['layer_order'])
    new_layer = load_layers(folder, 'new_layers.npz', new['layer_order'])
    tolerance = tolerated(description)
    moves = description['moves']
    rows, proven, notes = [], [], description['notes'] + new['notes']
    for n, (name, last) in enumerate(zip(description['output_names'], description['last_layers'])):
        olds = [old_out[f'{b}/{n}'] for b in range(len(description['batches']))]
        differences = []
        for b, old in enumerate(olds):
            key = f'{b}/{n}'
            absolute, relative = compare(old, new_out[key]) if key in new_out else (np.inf, np.inf)
            differences.append(relative)
            rows.append(row(name, b, absolute, relative, _largest(old), moves.get(key, {})))
        logits = old_layer(last['logits']) if last['logits'] else None
        if logits is None and last.get('squashes') and len(last['before']) == 1:  # a layer of its own
            logits = old_layer(last['before'][0])
        full = saturated(olds, logits) if last['class'] != 'InputLayer' else False
        if varies(olds) and not full:
            proven.append(all(each <= tolerance for each in differences))
            continue
        why = 'is saturated' if full else 'hardly varies'
        found, good = substitute(last, old_layer, new_layer, tolerance)
        for key, *numbers in found:
            seen = last['squashes'] and key in (last['logits'], *last['before'])
            rows.append(row(key, 0, *numbers, moves.get(f'0/{n}/before', {}) if seen else {}))
        names = ' and '.join(key.replace('@logits', ' before its activation') for key, *_ in found)
        if found:
            notes.append(f'The output {name} {why}, which proves nothing; judged instead: {names}.')
        else:
            notes.append(
                f'The output {name} {why}, and nothing before it can be judged instead: this proves nothing. Give it '
                'INPUTS.'
            )
        proven.append(good)
    holds = bool(proven) and all(proven)
    parts = None
    layers = []
    for key in description['layer_order']:
        if key.endswith('@logits') or new_layer(key) is None:
            continue
        old = old_layer(key)
        absolute, relative = compare(old, new_layer(key))
        layers.append({'layer': key, 'absolute': absolute, 'relative': relative})
        if parts is None and relative > tolerance:
            parts = key
    whole = [row for row in rows if row['output'] in description['output_names']]
    judged = rows if len(whole) < len(rows) else whole
    # what differs, but not by the new model's fault as far as anybody can tell
    differing = [] if holds else [row for row in judged if not row['relative'] <= tolerance]
    decides = [why for why in MOVES if differing and all(undecided(row[why], tolerance) for row in differing)]
    return {
        'target': new['target'],
        'holds': holds,
        'decides': decides[0] if decides else None,
        'largest_absolute_difference': max((row['absolute'] for row in judged), default=0.0),
        'largest_relative_difference': max((row['relative'] for row in judged), default=0.0),
        'first_layer_that_parts': None if holds or decides else parts,
        'tolerance': tolerance,
        'outputs': rows,
        'batches': description['batches'],
        'layers': layers,
        'notes': notes,
        'versions': {'old': description['versions'], 'new': new['versions']},
    }


def row(output, batch, absolute, relative, largest, moves):
    """A line of the proof's table. moves: by how much of the largest answer the old model's own moved, where known."""
    found = {'output': output, 'batch': batch, 'absolute': absolute, 'relative': relative, 'largest': largest}
    return {**found, **{why: moves.get(why) for why in MOVES}}


def substitute(last, old_layer, new_layer, tolerance):
    """What is judged where an output tells nothing: its logits, else the layers before it. Rows; whether they agree."""
    for keys in ([last['logits']], last['before']):
        pairs = [(key, old_layer(key), new_layer(key)) for key in keys if key]
        if (
            not pairs
            or any(old is None or new is None for _, old, new in pairs)
            or not any(varies([old]) for _, old, _ in pairs)
        ):
            continue
        rows = [(key, *compare(old, new), _largest(old)) for key, old, new in pairs]
        return rows, all(row[2] <= tolerance for row in rows)
    return [], False


def _largest(array):
    finite = array[np.isfinite(array)]
    return float(np.abs(finite).max(initial=0))


def finite(value):
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else str(value)
    return value


def work(job):
    write_json(finite(judge(job['work'])), job['work'], 'proof.json')


if __name__ == '__main__':
    run_jobs(sys.argv[1], work)
