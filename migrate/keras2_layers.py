"""What Keras 2 computes and newer ones do not: each as a registered layer. Keep this file beside the model.

Import it before the model is loaded. It stands alone: it needs Keras and nothing else. Every difference was measured
against Keras 2.2.4 on TensorFlow 1.9.
"""

import keras
from keras import ops

registered = keras.saving.register_keras_serializable(package='keras2')


@registered
def hard_sigmoid(x):
    """clip(0.2 x + 0.5, 0, 1), the gate of Keras 2's LSTM, GRU and ConvLSTM2D; Keras 3's is relu6(x + 3) / 6."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@registered
class Bidirectional(keras.layers.Bidirectional):
    """Under a mask a step repeats the last output, as Keras 2 has it; newer ones give zeros for sequences."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for layer in (self.forward_layer, self.backward_layer):
            layer.zero_output_for_mask = False


@registered
class UpSampling2D(keras.layers.UpSampling2D):
    """Bilinear on TensorFlow 1's grid, where pixel i of the input is pixel factor * i of the output."""

    def call(self, inputs):
        first = 2 if self.data_format == 'channels_first' else 1
        for axis, factor in zip((first, first + 1), self.size):
            inputs = _stretched(inputs, axis, factor)
        return inputs


def _stretched(x, axis, factor):
    shape = list(x.shape)
    if factor == 1:
        return x
    here = [slice(None)] * len(shape)
    here[axis] = slice(1, None)
    last = [slice(None)] * len(shape)
    last[axis] = slice(-1, None)
    behind = ops.concatenate([x[tuple(here)], x[tuple(last)]], axis=axis)
    parts = ops.stack([x + (behind - x) * (n / factor) for n in range(factor)], axis=axis + 1)
    shape = [-1 if size is None else size for size in shape]
    shape[axis] = -1 if shape[axis] == -1 else shape[axis] * factor
    if shape.count(-1) > 1:  # sizes that are known only when it runs
        known = ops.shape(x)
        shape = [known[i] * (factor if i == axis else 1) for i in range(len(shape))]
    return ops.reshape(parts, shape)


class _AndOfMasks:
    """A merged step counts only where it counts in every input; Keras 3 lets one suffice, or forgets the mask."""

    def compute_mask(self, inputs, mask=None):  # noqa: ARG002
        masks = [each for each in mask or [] if each is not None]
        if not masks:
            return None
        both = masks[0]
        for each in masks[1:]:
            both = ops.logical_and(both, each)
        return both


@registered
class Add(_AndOfMasks, keras.layers.Add):
    pass


@registered
class Subtract(_AndOfMasks, keras.layers.Subtract):
    pass


@registered
class Multiply(_AndOfMasks, keras.layers.Multiply):
    pass


@registered
class Average(_AndOfMasks, keras.layers.Average):
    pass


@registered
class Maximum(_AndOfMasks, keras.layers.Maximum):
    pass


@registered
class Minimum(_AndOfMasks, keras.layers.Minimum):
    pass


@registered
class Concatenate(_AndOfMasks, keras.layers.Concatenate):
    def compute_mask(self, inputs, mask=None):
        if all(each is None for each in mask or [None]):
            return None
        axis = self.axis % len(inputs[0].shape)
        if axis == len(inputs[0].shape) - 1:
            return super().compute_mask(inputs, mask)
        ones = [ops.ones_like(x[..., 0], dtype='bool') if each is None else each for x, each in zip(inputs, mask)]
        return ops.concatenate(ones, axis=axis)


class _LocallyConnected(keras.layers.Layer):
    """A convolution whose every position has its own weights; Keras 3 has none. Only what inference needs."""

    rank = None

    def __init__(self, filters, kernel_size, strides=1, data_format=None, activation=None, use_bias=True, **kwargs):
        kwargs = {key: value for key, value in kwargs.items() if key in ('name', 'trainable', 'dtype')}
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = self._tuple(kernel_size)
        self.strides = self._tuple(strides)
        self.data_format = data_format or keras.config.image_data_format()
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def _tuple(self, value):
        return tuple(value) if isinstance(value, (list, tuple)) else (value,) * self.rank

    def _sizes(self, shape):
        spatial = shape[2:] if self.data_format == 'channels_first' else shape[1:-1]
        return [(n - k) // s + 1 for n, k, s in zip(spatial, self.kernel_size, self.strides)]

    def build(self, input_shape):
        sizes = self._sizes(input_shape)
        channels = input_shape[1] if self.data_format == 'channels_first' else input_shape[-1]
        places, weights = 1, channels
        for size, kernel in zip(sizes, self.kernel_size):
            places, weights = places * size, weights * kernel
        self.kernel = self.add_weight(shape=(places, weights, self.filters), name='kernel')
        if self.use_bias:
            self.bias = self.add_weight(shape=(*sizes, self.filters), initializer='zeros', name='bias')

    def compute_output_shape(self, input_shape):
        sizes = self._sizes(input_shape)
        if self.data_format == 'channels_first':
            return (input_shape[0], self.filters, *sizes)
        return (input_shape[0], *sizes, self.filters)

    def call(self, inputs):
        first = self.data_format == 'channels_first'
        sizes = self._sizes(inputs.shape)
        x = inputs
        for n, (size, kernel, stride) in enumerate(zip(sizes, self.kernel_size, self.strides)):
            at = [[i * stride + k for k in range(kernel)] for i in range(size)]
            x = ops.take(x, ops.array(at), axis=(2 if first else 1) + 2 * n)
        # (batch, [channels,] place, offset, place, offset, [channels]) -> (batch, places, channels first or last)
        start = 2 if first else 1
        places = [start + 2 * n for n in range(self.rank)]
        offsets = [start + 2 * n + 1 for n in range(self.rank)]
        x = ops.transpose(x, [0, *places, 1, *offsets] if first else [0, *places, *offsets, start + 2 * self.rank])
        x = ops.reshape(x, (-1, self.kernel.shape[0], self.kernel.shape[1]))
        x = ops.einsum('npi,pio->npo', x, self.kernel)
        x = ops.reshape(x, (-1, *sizes, self.filters))
        if self.use_bias:
            x = x + self.bias
        if first:
            x = ops.transpose(x, [0, self.rank + 1, *range(1, self.rank + 1)])
        return self.activation(x)

    def get_config(self):
        return {
            **super().get_config(),
            'filters': self.filters,
            'kernel_size': self.kernel_size,
            'strides': self.strides,
            'data_format': self.data_format,
            'activation': keras.activations.serialize(self.activation),
            'use_bias': self.use_bias,
        }


@registered
class LocallyConnected1D(_LocallyConnected):
    rank = 1


@registered
class LocallyConnected2D(_LocallyConnected):
    rank = 2
