"""A model with a loss, a layer and a metric of your own in one file, loaded again.

Different from Keras 2.2.4: the file is .keras, and what is registered is found without custom_objects, in any
process that has imported it. A metric has a config and comes back as it was. Old .h5 files: docs/migrate.md.

Recipe: examples/export/h5_custom_objects.py
"""

import keras
import numpy as np
from keras import ops

register = keras.saving.register_keras_serializable


@register('mine')
class Gain(keras.layers.Layer):
    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        start = keras.initializers.Constant(self.start)
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer=start, name='gain')

    def call(self, inputs):
        return inputs * self.gain

    def get_config(self):  # what __init__ has to be told again
        return {**super().get_config(), 'start': self.start}


@register('mine')
def smooth_crossentropy(y_true, y_pred):
    smooth = 0.9 * ops.cast(y_true, y_pred.dtype) + 0.1 / y_pred.shape[-1]
    return -ops.sum(smooth * ops.log_softmax(ops.log(y_pred + 1e-7)), -1)


def build_model(width, classes):
    stack = [keras.Input((width,)), keras.layers.Dense(16, activation='relu'), Gain(2.0)]
    model = keras.Sequential([*stack, keras.layers.Dense(classes, activation='softmax')])
    model.compile('adam', smooth_crossentropy, metrics=[keras.metrics.Recall(thresholds=0.5)])
    return model


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = build_model(8, 3)
    model.fit(x, y, epochs=2, verbose=2)
    model.save('custom.keras')
    print(keras.models.load_model('custom.keras').evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0))
