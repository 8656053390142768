"""Saves models that projects of those years build, random weights: `python real_models.py FOLDER NAME …`.

SOURCES is the folder with the unpacked sdists, as tests/projects/projects.toml names them. The tests give this file in
CUSTOM, too, for the layers of the projects.
"""

import glob
import json
import os
import sys
from types import ModuleType

import numpy as np

sys.path[:0] = glob.glob(os.path.join(os.environ['SOURCES'], '*', '*', ''))
# what they import for pictures, boxes and reports, and building a model does not use
for name, words in {
    'cv2': '',
    'keras_retinanet.utils.compute_overlap': 'compute_overlap',
    'seqeval': '',
    'seqeval.metrics': 'accuracy_score classification_report f1_score',
    'seqeval.metrics.sequence_labeling': 'get_entities',
}.items():
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(words.split()))

import keras  # noqa: E402
from anago.layers import CRF  # noqa: E402, F401
from keras import layers as L  # noqa: E402
from keras_resnet.layers import BatchNormalization  # noqa: E402, F401
from keras_retinanet.initializers import PriorProbability  # noqa: E402, F401
from keras_retinanet.layers import (  # noqa: E402
    Anchors,  # noqa: F401
    ClipBoxes,  # noqa: F401
    FilterDetections,  # noqa: F401
    RegressBoxes,  # noqa: F401
    UpsampleLike,  # noqa: F401
)
from keras_self_attention import SeqSelfAttention  # noqa: E402


def attention():
    return keras.Sequential(
        [
            L.Embedding(50, 16, mask_zero=True),
            L.Bidirectional(L.LSTM(12, return_sequences=True)),
            SeqSelfAttention(attention_activation='sigmoid'),
            L.Dense(5, activation='softmax'),
        ]
    )


def tagger():
    from anago.models import BiLSTMCRF

    sizes = {'word_vocab_size': 30, 'char_vocab_size': 20, 'word_embedding_dim': 8, 'char_embedding_dim': 4}
    return BiLSTMCRF(num_labels=5, word_lstm_size=6, char_lstm_size=4, fc_dim=8, **sizes).build()[0]


def resnet():
    import keras_resnet.models

    return keras_resnet.models.ResNet18(L.Input((64, 64, 3)), classes=10)


def retinanet():
    from keras_retinanet import models

    return models.backbone('resnet50').retinanet(4)


def boxes():
    from keras_retinanet.models.retinanet import retinanet_bbox

    return retinanet_bbox(retinanet())


def unet():
    from csbdeep.internals.nets import common_unet

    return common_unet(n_dim=2, n_depth=2, kern_size=3)((64, 64, 1))


def tcn():
    from tcn import TCN

    series = L.Input((20, 3))
    return keras.Model(series, L.Dense(1)(TCN(nb_filters=6, return_sequences=False)(series)))


RETINANET = ['BatchNormalization', 'PriorProbability', 'UpsampleLike']
MODELS = {  # its own layers, by name
    'attention': (attention, ['SeqSelfAttention']),
    'boxes': (boxes, [*RETINANET, 'Anchors', 'ClipBoxes', 'FilterDetections', 'RegressBoxes']),
    'resnet': (resnet, ['BatchNormalization']),
    'retinanet': (retinanet, RETINANET),
    'tagger': (tagger, ['CRF']),
    'tcn': (tcn, []),
    'unet': (unet, []),
}


def main(folder, names):
    listed = []
    for name in names:
        keras.backend.clear_session()
        np.random.seed(0)
        make, custom = MODELS[name]
        make().save(os.path.join(folder, name + '.h5'))
        listed.append({'name': name, 'file': name + '.h5', 'custom': custom})
    with open(os.path.join(folder, 'cases.json'), 'w') as file:
        json.dump(listed, file)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
