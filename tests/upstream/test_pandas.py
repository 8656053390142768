"""What of Keras 2.2.4 takes a pandas DataFrame, and no test of its own suite runs."""

import numpy as np
import pandas
import pytest
from keras.preprocessing.image import ImageDataGenerator
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    pixels = np.random.RandomState(0).randint(256, size=(6, 5, 4, 3)).astype('uint8')
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(str(tmp_path / f'{i}.png'))
    return pixels


def test_flow_from_dataframe(pictures, tmp_path):
    frame = pandas.DataFrame({'filename': [f'{i}.png' for i in (3, 0, 5, 9)], 'class': list('bacb')})
    with pytest.warns(UserWarning, match='1 invalid image filename'):  # there is no 9.png
        flow = ImageDataGenerator(rescale=1 / 255).flow_from_dataframe(
            frame, str(tmp_path), target_size=(5, 4), batch_size=2, shuffle=False
        )
    assert flow.class_indices == {'a': 0, 'b': 1, 'c': 2}
    (first, classes), (last, class_of_last) = flow[0], flow[1]
    np.testing.assert_allclose(first, pictures[[3, 0]] / 255, rtol=1e-6)
    np.testing.assert_allclose(last, pictures[[5]] / 255, rtol=1e-6)
    assert classes.tolist() == [[0, 1, 0], [1, 0, 0]] and class_of_last.tolist() == [[0, 0, 1]]


def test_flow_from_dataframe_with_numbers_for_targets(pictures, tmp_path):
    frame = pandas.DataFrame({'file': [f'{i}.png' for i in range(6)], 'x': np.arange(6.0), 'y': np.arange(6.0) ** 2})
    generator = ImageDataGenerator(validation_split=1 / 3)
    options = {'x_col': 'file', 'y_col': ['x', 'y'], 'target_size': (5, 4), 'class_mode': 'raw', 'shuffle': False}
    parts = {
        name: generator.flow_from_dataframe(frame, str(tmp_path), subset=name, **options)
        for name in ('training', 'validation')
    }
    for name, rows in (('validation', slice(0, 2)), ('training', slice(2, 6))):
        x, y = next(parts[name])
        np.testing.assert_array_equal(x, pictures[rows])
        np.testing.assert_array_equal(y, frame[['x', 'y']].values[rows])
