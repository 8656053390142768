import json
import socket
import subprocess
import sys
import time
import urllib.request

import keras
import numpy as np
import pytest
import tensorflow as tf


def events(folder):
    found = {}
    for event in tf.train.summary_iterator(str(folder / 'fit.tfevents')):
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value
    return found


def test_the_events_are_what_fit_said_and_what_the_model_holds(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0, out=str(tmp_path))
    history, written = module.model.history.history, events(tmp_path)
    assert sorted(history) == ['acc', 'loss', 'val_acc', 'val_loss']
    for name, values in history.items():
        for step, value in enumerate(values):
            assert written['epoch/' + name][step].simple_value == pytest.approx(value, rel=1e-6)
    kernel = module.model.get_weights()[0].astype(np.float64)
    histo = written['kernels/conv'][1].histo
    assert histo.num == kernel.size == 144
    assert histo.sum == pytest.approx(kernel.sum(), rel=1e-5) and histo.max == pytest.approx(kernel.max(), rel=1e-6)
    assert histo.sum_squares == pytest.approx((kernel**2).sum(), rel=1e-5)
    image = written['outputs/first_filter/image/2'][1].image
    assert (image.height, image.width, image.colorspace) == (6, 6, 1)
    assert (found['scalars'], found['histograms'], found['images']) == (8, 4, 6)
    assert found['test_accuracy'] == pytest.approx(history['val_acc'][-1], abs=1e-6)
    assert found['test_accuracy'] > 0.6  # chance is 0.1


def test_tensorboard_shows_every_tag(module, digits, tmp_path):
    module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    code = 'import sys; from tensorboard.main import run_main; run_main()'
    options = ['--logdir', str(tmp_path), '--host', '127.0.0.1', '--port', str(port)]
    board = subprocess.Popen(
        [sys.executable, '-c', code] + options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        tags = {}
        for plugin in ('scalars', 'histograms', 'images'):
            address = 'http://127.0.0.1:%d/data/plugin/%s/tags' % (port, plugin)
            for _ in range(240):  # it answers once it has started, and lists tags once it has read the file
                try:
                    with urllib.request.urlopen(address) as answer:
                        tags[plugin] = json.loads(answer.read().decode())
                except OSError:
                    pass
                if tags.get(plugin):
                    break
                assert board.poll() is None
                time.sleep(0.25)
        shown = {plugin: sorted(list(runs.values())[0]) for plugin, runs in tags.items()}
        assert shown == {
            'scalars': ['epoch/acc', 'epoch/loss', 'epoch/val_acc', 'epoch/val_loss'],
            'histograms': ['kernels/conv', 'outputs/conv'],
            'images': ['outputs/first_filter/image/%d' % i for i in range(3)],
        }
    finally:
        board.kill()
        board.wait()


def test_without_the_line_that_matters_nothing_is_written(module, digits, monkeypatch, tmp_path):
    add = tf.summary.FileWriter.add_summary
    monkeypatch.setattr(  # only the numbers, which are tf.Summary; what session.run gives is bytes
        tf.summary.FileWriter,
        'add_summary',
        lambda self, summary, step: None if isinstance(summary, bytes) else add(self, summary, step),
    )
    found = module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
    assert (found['scalars'], found['histograms'], found['images']) == (4, 0, 0)


@pytest.mark.parametrize('generated', [True, False])
def test_keras_own_histograms_want_arrays(module, digits, tmp_path, generated):
    def batches():
        while True:
            yield digits.x_train[:32], digits.y_train[:32]

    model = module.build_model((8, 8, 1))
    model.compile('sgd', 'sparse_categorical_crossentropy')
    arguments = {'steps_per_epoch': 1, 'verbose': 0, 'callbacks': [keras.callbacks.TensorBoard(str(tmp_path), 1)]}
    if generated:
        with pytest.raises(ValueError, match='validation_data must be provided, and cannot be a generator'):
            model.fit_generator(batches(), validation_data=batches(), validation_steps=1, **arguments)
    else:
        model.fit_generator(batches(), validation_data=(digits.x_test, digits.y_test), **arguments)
        (file,) = tmp_path.iterdir()
        events = [v.tag for e in tf.train.summary_iterator(str(file)) for v in e.summary.value if v.HasField('histo')]
        assert len(events) >= 2
