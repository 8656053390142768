"""An optimizer of your own, AddSign of tf.contrib.opt, whose state is saved with the model.

Different from Keras 2.2.4: no TFOptimizer stands between. A subclass makes its variables in `build` and one
step in `update_step`; model.save keeps them, load_model gives a compiled model back, and callbacks find a
learning rate.

Recipe: examples/training/tf_optimizer.py
"""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable('mine')
class AddSign(keras.optimizers.Optimizer):
    """A step is larger where the gradient and its running mean agree in sign."""

    def __init__(self, learning_rate=0.1, alpha=1.0, beta=0.9, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.alpha, self.beta = alpha, beta

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.means = [self.add_variable_from_reference(v, name='mean') for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        mean = self.means[self._get_variable_index(variable)]
        self.assign(mean, self.beta * mean + (1 - self.beta) * gradient)
        agreement = ops.sign(gradient) * ops.sign(mean.value)
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, rate * (self.alpha + agreement) * gradient)

    def get_config(self):
        return {**super().get_config(), 'alpha': self.alpha, 'beta': self.beta}


if __name__ == '__main__':
    x, y = np.random.rand(256, 8), np.random.randint(3, size=256)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile(AddSign(), 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, verbose=2)
    model.save('tf_optimizer.keras')
    keras.models.load_model('tf_optimizer.keras').fit(x, y, verbose=2)  # goes on with the running means
