"""Mask R-CNN: bright squares on dark ground, from scratch by its own loop; how far the loss of its proposals falls."""

import keras
import numpy as np
from from_seed import main
from mrcnn import model, utils
from mrcnn.config import Config


class Squares(Config):
    NAME = 'squares'
    NUM_CLASSES = 2
    BACKBONE = 'resnet50'
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 24, 32, 48)
    TOP_DOWN_PYRAMID_SIZE = 32
    FPN_CLASSIF_FC_LAYERS_SIZE = 64
    TRAIN_ROIS_PER_IMAGE = 16
    POST_NMS_ROIS_TRAINING = 64
    MAX_GT_INSTANCES = 4
    STEPS_PER_EPOCH = 6
    VALIDATION_STEPS = 1


class Pictures(utils.Dataset):
    def __init__(self, n):
        super(Pictures, self).__init__()
        self.add_class('made', 1, 'square')
        for i in range(n):
            self.add_image('made', i, None, corner=np.random.randint(4, 36, 2), size=np.random.randint(16, 25))
        self.prepare()

    def load_mask(self, image_id):
        mask = np.zeros((64, 64, 1), bool)
        (row, column), size = self.image_info[image_id]['corner'], self.image_info[image_id]['size']
        mask[row : row + size, column : column + size] = True
        return mask, np.array([1])

    def load_image(self, image_id):
        return np.repeat(self.load_mask(image_id)[0] * 200 + 20, 3, -1).astype('uint8')


def train():
    losses = []
    network = model.MaskRCNN('training', Squares(), 'logs')
    fit_generator = keras.models.Model.fit_generator

    def fit(self, *args, **kwargs):
        kwargs.update(
            workers=0, use_multiprocessing=False
        )  # several processes would make their order a matter of chance
        history = fit_generator(self, *args, **kwargs)
        losses.extend(history.history['rpn_class_loss'])
        return history

    keras.models.Model.fit_generator = fit
    try:
        network.train(Pictures(40), Pictures(4), learning_rate=0.005, epochs=5, layers='all')
    finally:
        keras.models.Model.fit_generator = fit_generator
    print(losses)
    return 1 - losses[-1] / losses[0]


main(train, least=0.5)
