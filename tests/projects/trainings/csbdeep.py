"""CSBDeep: noise taken out of pictures of made spots by its CARE network; how much of the error is gone."""

import numpy as np
from csbdeep.models import CARE, Config
from from_seed import main
from scipy.ndimage import gaussian_filter


def made(n):
    clean = np.zeros((n, 32, 32))
    for picture in clean:
        picture[tuple(np.random.randint(32, size=(2, 8)))] = 1
    clean = np.stack([gaussian_filter(p, 2) for p in clean])
    clean /= clean.max((1, 2), keepdims=True)
    return (clean + 0.3 * np.random.normal(size=clean.shape))[..., None], clean[..., None]


def train():
    noisy, clean = made(400)
    config = Config('YX', 1, 1, unet_n_depth=1, unet_n_first=8, unet_kern_size=3, train_batch_size=16,
                    train_epochs=15, train_steps_per_epoch=25, train_tensorboard=False)  # fmt: skip
    model = CARE(config, 'model', basedir='models')
    model.train(noisy, clean, validation_data=made(32))
    noisy, clean = made(50)
    return 1 - np.mean((model.keras_model.predict(noisy) - clean) ** 2) / np.mean((noisy - clean) ** 2)


main(train, least=0.7)
