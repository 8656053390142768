"""kapre: tones of three pitches in noise, by a mel spectrogram inside the model, which is compared with librosa's."""

import librosa
import numpy as np
from from_seed import main
from kapre.time_frequency import Melspectrogram
from keras import layers, models

RATE, HOP = 8000, 256


def made(n):
    pitch = np.arange(n) % 3
    time = np.arange(RATE // 2) / RATE
    phase = np.random.uniform(0, 2 * np.pi, (n, 1))
    tones = np.sin(2 * np.pi * np.array([300, 600, 1200])[pitch, None] * time + phase)
    return (tones + 0.5 * np.random.normal(size=tones.shape))[:, None].astype('float32'), pitch


def theirs(sound):
    """The mel spectrogram by librosa, without padding."""
    power = abs(librosa.stft(sound, 512, HOP, center=False)) ** 2
    return librosa.filters.mel(RATE, 512, 32).dot(power)


def train():
    (x, y), (x_test, y_test) = made(300), made(150)
    mel = Melspectrogram(RATE, 32, n_dft=512, n_hop=HOP, padding='valid', power_melgram=2.0, input_shape=x.shape[1:])
    ours = models.Sequential([mel]).predict(x_test[:5])[..., 0]
    np.testing.assert_allclose(ours, [theirs(sound) for sound in x_test[:5, 0]], rtol=1e-3, atol=1e-3)
    model = models.Sequential(
        [mel, layers.Flatten(), layers.BatchNormalization(), layers.Dense(3, activation='softmax')]
    )
    model.compile('adam', 'sparse_categorical_crossentropy', ['accuracy'])
    model.fit(x, y, epochs=15, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0)[1]


main(train, least=0.9)
