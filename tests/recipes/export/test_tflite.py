import numpy as np
import pytest
import tensorflow as tf


def test_both_files_answer_as_predict_does(module, digits, tmp_path):
    found = module.run(digits, epochs=3, verbose=0, out=str(tmp_path))
    expected = module.built[0].predict(digits.x_test)
    assert found['float_difference'] < 1e-5 and found['8bit_difference'] < 0.1
    assert found['float_accuracy'] == np.mean(expected.argmax(1) == digits.y_test) > 0.6  # chance is 0.1
    assert abs(found['8bit_accuracy'] - found['float_accuracy']) < 0.02
    assert 3 < found['float_bytes'] / found['8bit_bytes'] < 4  # 4 bytes a weight, 1 byte a weight, and the rest

    content = (tmp_path / found['8bit_file']).read_bytes()
    interpreter = tf.contrib.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (image,), (classes,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert image['dtype'] == classes['dtype'] == np.uint8
    answers = []
    for x in digits.x_test[:100]:
        interpreter.set_tensor(image['index'], np.uint8([np.round(x * 255)]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(classes['index'])[0] / 256.0)
    assert np.abs(np.array(answers) - expected[:100]).max() < 0.1
    assert np.mean(np.argmax(answers, 1) == expected[:100].argmax(1)) > 0.95


def test_without_the_line_that_matters_the_network_is_untrained(module, digits, monkeypatch, tmp_path):
    original = tf.contrib.lite.TocoConverter

    def from_session(graph_def, inputs, outputs):
        return original.from_session(tf.get_default_session(), inputs, outputs)

    monkeypatch.setattr(tf.contrib.lite, 'TocoConverter', from_session)
    model = module.build_model(digits.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(digits.x_train, digits.y_train, epochs=2, verbose=0)
    answer = module.interpret(module.convert(model), digits.x_test)
    right = np.mean(answer.argmax(1) == digits.y_test)
    assert model.evaluate(digits.x_test, digits.y_test, verbose=0)[1] > 0.5 > 0.3 > right


def test_without_ranges_eight_bits_fail(module, digits, monkeypatch):
    model = module.build_model(digits.x_train.shape[1:])
    monkeypatch.setattr(tf, 'fake_quant_with_min_max_args', lambda x, *limits, **options: tf.identity(x))
    with pytest.raises(RuntimeError, match='lacking min/max data'):
        module.convert(model, digits.x_train)
