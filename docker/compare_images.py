"""compare_images.py A.tar B.tar: are two saved images one image? If not, the first thing in which they differ.

Reads what `docker save` and `podman save` write. Exits 0 for the same image ID, 1 otherwise.
"""

import hashlib
import json
import sys
import tarfile


def main(first, second):
    with tarfile.open(first) as a, tarfile.open(second) as b:
        manifests = [json.load(t.extractfile('manifest.json'))[0] for t in (a, b)]
        configs = [t.extractfile(m['Config']).read() for t, m in zip((a, b), manifests)]
        ids = ['sha256:' + hashlib.sha256(c).hexdigest() for c in configs]
        if ids[0] == ids[1]:
            print('same image ID ' + ids[0])
            return 0
        print('different image IDs:\n  %s\n  %s' % tuple(ids))
        for n, layers in enumerate(zip(*(m['Layers'] for m in manifests))):
            with tarfile.open(fileobj=a.extractfile(layers[0])) as x, tarfile.open(
                fileobj=b.extractfile(layers[1])
            ) as y:
                difference = first_difference(x, y)
            if difference:
                print('layer %d: %s' % (n, difference))
                return 1
        one, two = (json.loads(c.decode()) for c in configs)
        print(
            'all layers are the same; the configuration differs in: '
            + ', '.join(sorted(k for k in set(one) | set(two) if one.get(k) != two.get(k)))
        )
        return 1


def first_difference(x, y):
    """What differs first between two layers, as text; None where nothing does."""
    while True:
        m, n = x.next(), y.next()
        if m is None and n is None:
            return None
        if m is None or n is None or m.name != n.name:
            return '%s against %s' % (m and m.name, n and n.name)
        for field in ('type', 'size', 'mode', 'uid', 'gid', 'mtime', 'linkname'):
            if getattr(m, field) != getattr(n, field):
                return '%s: %s %s against %s' % (m.name, field, getattr(m, field), getattr(n, field))
        if m.isfile() and x.extractfile(m).read() != y.extractfile(n).read():
            return '%s: the contents differ' % m.name


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
