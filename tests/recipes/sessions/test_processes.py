import json
import multiprocessing
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from tensorflow_with_keras.recipe import ROOT


def test_every_process_answers_as_this_one(digits, tmp_path):
    """By its command, since a spawned process has to find the recipe's file as the main program."""
    command = [sys.executable, '-m', 'tensorflow_with_keras', 'run', 'sessions/processes', '--verbose', '0']
    done = subprocess.run(
        command + ['--out', str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True
    )
    assert 'Using TensorFlow backend.' in done.stderr.decode().splitlines()  # TensorFlow 1.15 warns of names, too
    folder = tmp_path / 'sessions-processes'
    found = json.loads((folder / 'result.json').read_text())['metrics']
    predicted = keras.models.load_model(str(folder / found['file'])).predict(digits.x_test)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(digits.y_test, predicted.argmax(1))) and (
        found['test_accuracy'] > 0.8  # chance is 0.1
    )
    assert found['largest_difference'] < 1e-6 and 1 <= found['processes'] <= 2


def forked(*arguments):
    """What a function of this module gives in a forked process, or a TimeoutError after 4 seconds."""
    with multiprocessing.get_context('fork').Pool(1) as pool:
        return pool.apply_async(*arguments).get(timeout=4)


def inherited(images):
    return MODULE.predict(images)[1]


def test_a_forked_process_hangs(module, digits):
    global MODULE
    MODULE, module.loaded = module, module.build_model((8, 8, 1))
    module.loaded.predict(digits.x_test[:2])  # the session is at work
    assert forked(max, (3, 4)) == 4  # what needs no session works
    with pytest.raises(multiprocessing.TimeoutError):
        forked(inherited, (digits.x_test[:2],))


def test_what_a_worker_does(module, digits, tmp_path):
    model = module.build_model((8, 8, 1))
    model.save(str(tmp_path / 'model.h5'))
    module.load(str(tmp_path / 'model.h5'))
    _, predicted = module.predict(digits.x_test)
    np.testing.assert_array_equal(predicted, model.predict(digits.x_test))
