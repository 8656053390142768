import numpy as np
import pytest
from google.protobuf import text_format
from matplotlib import pyplot as plt
from tensorboard.plugins.projector import projector_config_pb2


def cut(folder, n):
    """The picture of each point, cut as the projector's proto says: row by row, width and height of one."""
    config = projector_config_pb2.ProjectorConfig()
    text_format.Merge((folder / 'projector_config.pbtxt').read_text(), config)
    (embedding,) = config.embeddings
    width, height = embedding.sprite.single_image_dim
    sheet = plt.imread(str(folder / embedding.sprite.image_path))
    assert sheet.shape[1] == sheet.shape[0] <= 8192  # the projector's limit
    columns = sheet.shape[1] // width
    corners = [(i // columns * height, i % columns * width) for i in range(n)]
    return np.array([sheet[top : top + height, left : left + width, 0] for top, left in corners])


def test_the_files_are_as_the_projector_wants_them(module, digits, tmp_path):
    found = module.run(digits, epochs=5, verbose=0, out=str(tmp_path))
    assert found['points'] == 360
    np.testing.assert_allclose(cut(tmp_path, 360), 1 - digits.x_test[..., 0], atol=1 / 200)  # 8 bits a pixel
    assert (cut(tmp_path, 361)[360] == 1).all()  # 19 by 19 have room for one more, which is white
    kernel, bias = module.model.get_weights()[:2]
    expected = np.maximum(digits.x_test.reshape(360, -1).astype(np.float64) @ kernel + bias, 0)
    np.testing.assert_allclose(np.loadtxt(str(tmp_path / found['vectors'])), expected, rtol=1e-4, atol=1e-5)
    header, *rows = (tmp_path / found['metadata']).read_text().splitlines()
    assert header == 'digit\tpredicted' and len(rows) == 360
    labels = np.array([row.split('\t') for row in rows], int)
    np.testing.assert_array_equal(labels[:, 0], digits.y_test)
    np.testing.assert_array_equal(labels[:, 1], module.model.predict(digits.x_test).argmax(1))
    assert found['test_accuracy'] == np.mean(labels[:, 0] == labels[:, 1]) > 0.5  # chance is 0.1


def test_without_the_line_that_matters_there_is_no_size_to_cut_by(module, digits, monkeypatch, tmp_path):
    configuration = module.configuration

    def forgetful(height, width):
        lines = configuration(height, width).splitlines(True)
        return ''.join(line for line in lines if 'single_image_dim' not in line)

    monkeypatch.setattr(module, 'configuration', forgetful)
    module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
    with pytest.raises(ValueError, match='not enough values to unpack'):
        cut(tmp_path, 360)
