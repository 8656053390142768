"""python write.py LIBRARY KIND OUT: saves a small model of keras or tf.keras; see README.md. Any Python, any Keras."""

import sys

import numpy as np

library, kind, out = sys.argv[1:]
if library == 'keras':
    import keras
else:
    import tensorflow as tf

    keras = tf.keras
layers = keras.layers
np.random.seed(0)
if kind == 'dense':
    stack = [layers.Flatten(input_shape=(6, 3)), layers.Dense(2, activation='softmax')]
    model = keras.models.Sequential(stack)
else:
    images = layers.Input(shape=(6, 3))
    model = keras.models.Model(images, layers.Dense(2, activation='softmax')(layers.GRU(2)(images)))
model.compile('adam', 'categorical_crossentropy', metrics=['accuracy'])
x = np.random.rand(8, 6, 3).astype('f4')
y = np.eye(2)[np.random.randint(0, 2, 8)]
model.fit(x, y, verbose=0)
model.save(out + '.h5', include_optimizer=kind == 'dense')
np.savez(out + '.npz', x=x, y=model.predict(x))
