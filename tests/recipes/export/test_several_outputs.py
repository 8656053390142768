import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import accuracy_score

from tensorflow_with_keras.recipe import ROOT

SERVE = """
import sys
import numpy as np
import tensorflow as tf
x = np.load(sys.argv[2])
with tf.Session(graph=tf.Graph()) as session:
    signature = tf.saved_model.loader.load(session, ['serve'], sys.argv[1]).signature_def['serving_default']
    feed = {signature.inputs[name].name: x[name] for name in signature.inputs}
    fetch = {name: info.name for name, info in signature.outputs.items()}
    np.savez(sys.argv[3], **{name.replace('/', '-'): a for name, a in session.run(fetch, feed).items()})
assert 'keras' not in sys.modules
"""


def test_every_file_gives_the_answers_of_predict(module, digits, tmp_path):
    found = module.run(digits, epochs=8, out=str(tmp_path), verbose=0)
    x = module.halves(digits.x_test)
    assert found['largest_difference_frozen'] == found['largest_difference_served'] == 0
    assert found['largest_difference_lite'] < 1e-5
    says_digit, says_odd = module.model.predict(x)
    assert found['test_accuracy'] == accuracy_score(digits.y_test, says_digit.argmax(1)) > 0.8
    assert accuracy_score(digits.y_test % 2, says_odd[:, 0] > 0.5) > 0.8

    # and once more in a process that has no Keras at all
    np.savez(str(tmp_path / 'x.npz'), upper=x[0], lower=x[1])
    arguments = [str(tmp_path / name) for name in (found['folder'], 'x.npz', 'answers.npz')]
    subprocess.run([sys.executable, '-c', SERVE, *arguments], check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    answers = np.load(str(tmp_path / 'answers.npz'))
    np.testing.assert_array_equal(answers['digit-Softmax'], says_digit)
    np.testing.assert_array_equal(answers['odd-Sigmoid'], says_odd)


def test_the_halves_are_those_of_the_images(module, digits):
    np.testing.assert_array_equal(np.concatenate(module.halves(digits.x_test), 1), digits.x_test)


def test_a_layers_name_is_no_operation(module):
    module.build_model((4, 8, 1))
    session = K.get_session()
    with pytest.raises(AssertionError, match='digit is not in graph'):
        tf.graph_util.convert_variables_to_constants(session, session.graph_def, ['digit'])


def test_with_one_name_the_other_output_is_cut_off(module):
    model = module.build_model((4, 8, 1))
    session = K.get_session()
    frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, [model.outputs[0].op.name])
    nodes = {node.name for node in frozen.node}
    assert 'digit/Softmax' in nodes and not any(name.startswith('odd') for name in nodes)


def test_a_second_model_in_the_graph_has_other_names(module):
    """So they are asked of the model, and not written down."""
    names = [[tensor.op.name for tensor in module.build_model((4, 8, 1)).outputs] for _ in range(2)]
    assert names == [['digit/Softmax', 'odd/Sigmoid'], ['digit_1/Softmax', 'odd_1/Sigmoid']]
