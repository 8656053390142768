"""Opens an HDF5 file, or says in a sentence what else a file is: by its first and last bytes, its name, its folder."""

import os
import re
import stat
import zipfile

BAD_KIND, BROKEN = 2, 3  # exit codes: no model file; something wrong with the file or the machine


class NoModel(Exception):
    """One sentence about a file of which nothing can be told, and the exit code."""

    def __init__(self, sentence, code):
        super().__init__(sentence)
        self.code = code


def _kind_of_folder(path):
    names = os.listdir(path)
    if {'saved_model.pb', 'saved_model.pbtxt'} & set(names):
        return (
            'is a SavedModel, which Keras 2.2.4 does not read: the program that made it can save the Keras model by '
            "model.save('model.h5'); examples/export/savedmodel.py has what TensorFlow 1.9 does with a SavedModel"
        )
    if 'checkpoint' in names or any(n.endswith('.index') for n in names):
        return (
            'is a folder of TensorFlow checkpoints, which hold variables and no Keras model: build the model and '
            'restore them by tf.train.Saver, as examples/export/checkpoint.py does'
        )
    return 'is a folder: name the .h5 file in it'


def _kind_of_zip(path):
    try:
        with zipfile.ZipFile(path) as z:
            names = z.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    if 'config.json' in names and any(n.endswith('weights.h5') for n in names):
        return (
            'is a .keras file of Keras 3 or tf.keras 2.12 or newer: there, load it and '
            "np.savez('weights.npz', *model.get_weights()); here, build the model and give it these by set_weights"
        )
    if any(n.endswith('.npy') for n in names):
        return 'is a NumPy .npz file of arrays: build the model, and give it these by set_weights'
    return 'is a zip archive, no HDF5 file: unpack it first'


def _kind(path, head, tail):
    """The rest of a sentence about a file that is not HDF5, from its first and last bytes."""
    name = os.path.basename(path)
    if head[:4] == b'PK\3\4':
        return _kind_of_zip(path) or 'is a damaged zip archive, no HDF5 file: copy it again'
    if head[:1] == b'\x80' and head[1:2] in (b'\2', b'\3', b'\4', b'\5'):
        return (
            'is a pickle, which runs whatever its writer put there when it is opened: ask who wrote it for '
            "model.save('model.h5')"
        )
    if head[4:8] == b'TFL3':
        return 'is a TensorFlow Lite model, from which no Keras model comes back: ask for the .h5 file it was made of'
    if tail == b'\x57\xfb\x80\x8b\x24\x75\x47\xdb' or re.search(r'\.data-\d{5}-of-\d{5}$', name):
        return (
            'is part of a TensorFlow checkpoint, which holds variables and no Keras model: build the model and '
            'restore them by tf.train.Saver, as examples/export/checkpoint.py does'
        )
    if head.startswith(b'model_checkpoint_path:'):
        return 'is the list of a folder of TensorFlow checkpoints, which hold variables and no Keras model'
    # Three files of protocol buffers, without a mark of their own. A model of ONNX begins with a version and a name,
    # a SavedModel with a version and a long message, a graph with its first node.
    if re.match(rb'\x08.\x12[\x01-\x7f][ -~]', head, re.S) or name.endswith('.onnx'):
        return 'is an ONNX model, which Keras 2.2.4 does not read: ask for the .h5 file that it was made of'
    if name in ('saved_model.pb', 'saved_model.pbtxt') or re.match(rb'\x08\x01\x12', head):
        return _kind_of_folder(os.path.dirname(path) or '.') if 'saved_model' in name else 'is part of a SavedModel'
    if re.match(rb'\x0a[\x01-\xff]\x01?.?\x0a[\x01-\x7f][A-Za-z0-9.]', head, re.S) or name.endswith(('.pb', '.pbtxt')):
        return (
            'is a graph of TensorFlow, whose weights are constants: examples/export/frozen_graph.py runs such a one; '
            'no Keras model comes back from it, so ask for the .h5 file that it was made of'
        )
    text = head.lstrip()
    if text[:1] == b'{' and b'"class_name"' in text:
        return (
            'is the architecture alone, as JSON: keras.models.model_from_json builds the model, and load_weights '
            'wants a second file'
        )
    if text.startswith(b'backend:') or text.startswith(b'class_name:'):
        return (
            'is the architecture alone, as YAML: keras.models.model_from_yaml builds the model, and load_weights '
            'wants a second file'
        )
    return 'is no HDF5 file: name one that model.save wrote'


def open_hdf5(path):
    """The open `h5py.File`, for reading; raises NoModel where there is none."""
    try:
        import h5py
    except ImportError:
        raise NoModel(
            'this Python has no h5py, which reads such files: install it (`pip install h5py`), or have '
            '`ENGINE=local make shell` make .venv, which has it',
            BROKEN,
        ) from None
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise NoModel('%s %s' % (path, _kind_of_folder(path)), BAD_KIND)
        if not stat.S_ISREG(mode):
            raise NoModel('%s is a device or a pipe, no file: name the .h5 file' % path, BAD_KIND)
        with open(path, 'rb') as f:
            head = f.read(4096)
            f.seek(-min(8, os.path.getsize(path)), os.SEEK_END)
            tail = f.read()
    except FileNotFoundError:
        if os.path.exists(path + '.index'):
            raise NoModel('%s %s' % (path, _kind(path + '.data-00000-of-00001', b'', b'')), BAD_KIND) from None
        raise NoModel('there is no file %s: name one that model.save wrote' % path, BAD_KIND) from None
    except PermissionError:
        raise NoModel('%s may not be read by this user: have its permissions changed' % path, BROKEN) from None
    except (OSError, ValueError) as e:
        raise NoModel('%s cannot be read (%s)' % (path, getattr(e, 'strerror', None) or e), BROKEN) from None
    if not head:
        raise NoModel('%s is empty: copy it again' % path, BROKEN)
    try:
        return h5py.File(path, 'r')
    except OSError:
        if head[:8] == b'\x89HDF\r\n\x1a\n':
            sentence = '%s is a damaged HDF5 file, cut off perhaps: copy it again, or take an older one' % path
            raise NoModel(sentence, BROKEN) from None
        raise NoModel('%s %s' % (path, _kind(path, head, tail)), BAD_KIND) from None
