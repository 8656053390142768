"""compare_images.py [--times-up-to EPOCH] A.tar B.tar: are two saved images one? If not, what differs first.

Reads what `docker save` and `podman save` write. Exits 0 for the same image ID, 1 otherwise. --times-up-to is for
engines that put the time of the build into an image: times after EPOCH, in seconds since 1970, count as EPOCH, those in
the configuration and Podman's comments on its cache not at all, and everything else must be the same.
"""

import argparse
import hashlib
import itertools
import json
import sys
import tarfile


def main(first, second, epoch):
    with tarfile.open(first) as a, tarfile.open(second) as b:
        manifests = [json.load(t.extractfile('manifest.json'))[0] for t in (a, b)]
        configs = [t.extractfile(m['Config']).read() for t, m in zip((a, b), manifests)]
        ids = ['sha256:' + hashlib.sha256(c).hexdigest() for c in configs]
        if ids[0] == ids[1]:
            print('same image ID ' + ids[0])
            return 0
        print('different image IDs:\n  %s\n  %s' % tuple(ids))
        for n, layers in enumerate(itertools.zip_longest(*(m['Layers'] for m in manifests))):
            if None in layers:
                print('layer %d: %s against %s' % (n, *layers))
                return 1
            with tarfile.open(fileobj=a.extractfile(layers[0])) as x, tarfile.open(
                fileobj=b.extractfile(layers[1])
            ) as y:
                difference = first_difference(x, y, epoch)
            if difference:
                print('layer %d: %s' % (n, difference))
                return 1
        one, two = (json.loads(c.decode()) for c in configs)
        if epoch is not None:
            one, two = without_times(one), without_times(two)
        differs = sorted(k for k in set(one) | set(two) if one.get(k) != two.get(k))
        if differs or epoch is None:
            print('all layers are the same; the configuration differs in: ' + ', '.join(differs))
            return 1
        print(
            'the same files in %d layers and the same configuration; the IDs differ since this engine puts the time of '
            'the build into an image' % (n + 1)
        )
        return 0


def without_times(config):
    """A configuration without the times of the build, and without the layers' hashes, which follow from those."""
    history = [{k: v for k, v in step.items() if k not in ('created', 'comment')} for step in config.get('history', [])]
    return dict({k: v for k, v in config.items() if k not in ('created', 'rootfs')}, history=history)


def first_difference(x, y, epoch):
    """What differs first between two layers, as text; None where nothing does."""
    while True:
        m, n = x.next(), y.next()
        if m is None and n is None:
            return None
        if m is None or n is None or m.name != n.name:
            return '%s against %s' % (m and m.name, n and n.name)
        for field in ('type', 'size', 'mode', 'uid', 'gid', 'linkname', 'devmajor', 'devminor'):
            if getattr(m, field) != getattr(n, field):
                return '%s: %s %s against %s' % (m.name, field, getattr(m, field), getattr(n, field))
        times = [t.mtime if epoch is None else min(t.mtime, epoch) for t in (m, n)]
        if times[0] != times[1]:
            return '%s: mtime %s against %s' % (m.name, *times)
        xattrs = [{k: v for k, v in t.pax_headers.items() if k.startswith('SCHILY.xattr.')} for t in (m, n)]
        if xattrs[0] != xattrs[1]:
            return '%s: extended attributes %s against %s' % (m.name, *xattrs)
        if m.isfile() and x.extractfile(m).read() != y.extractfile(n).read():
            return '%s: the contents differ' % m.name


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--times-up-to', type=int, metavar='EPOCH')
    parser.add_argument('archives', nargs=2, metavar='FILE.tar')
    options = parser.parse_args()
    sys.exit(main(*options.archives, options.times_up_to))
