"""Where a training step's time goes: a trace of JAX's profiler around some steps of fit.

Different from Keras 2.2.4: compile takes no options and run_metadata. jax.profiler writes a trace of all that
runs between start and stop, for Perfetto or TensorBoard; the first step of fit is compilation, so begin
after it. On TensorFlow it is keras.callbacks.TensorBoard(profile_batch=…).

Recipe: examples/observe/timeline_profile.py
"""

import jax
import keras
import numpy as np


class Profile(keras.callbacks.Callback):
    """Traces the batches from `first` to `last` of the first epoch into a folder."""

    def __init__(self, folder, first=2, last=4):
        super().__init__()
        self.folder, self.first, self.last = folder, first, last

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.first and not hasattr(self, 'done'):
            jax.profiler.start_trace(self.folder, create_perfetto_trace=True)

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.last and not hasattr(self, 'done'):
            jax.block_until_ready([v.value for v in self.model.trainable_variables])
            jax.profiler.stop_trace()
            self.done = True


if __name__ == '__main__':
    x, y = np.random.rand(512, 8), np.random.randint(3, size=512)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, callbacks=[Profile('trace')], verbose=2)
