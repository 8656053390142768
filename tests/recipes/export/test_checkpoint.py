import numpy as np
import tensorflow as tf


def test_the_resumed_run_has_the_bits_of_an_uninterrupted_fit(module, digits, tmp_path):
    module.train(digits, str(tmp_path), 1, verbose=0)
    resumed, accuracy = module.train(digits, str(tmp_path), 3, verbose=0)
    with tf.Graph().as_default(), tf.Session().as_default():  # without any checkpoint
        np.random.seed(0)
        tf.set_random_seed(0)
        model = module.build_model(digits.x_train.shape[1:])
        model.fit(digits.x_train, digits.y_train, batch_size=32, epochs=3, verbose=0, shuffle=False)
        for name, got, expected in zip([w.name for w in model.weights], resumed, model.get_weights()):
            np.testing.assert_array_equal(got, expected, name)
        assert accuracy == np.mean(model.predict(digits.x_test).argmax(1) == digits.y_test) > 0.7  # chance is 0.1


def test_the_file_holds_the_weights_the_moments_and_the_count_of_steps(module, digits, tmp_path):
    weights, _ = module.train(digits, str(tmp_path), 2, verbose=0)
    reader = tf.train.NewCheckpointReader(tf.train.latest_checkpoint(str(tmp_path)))
    np.testing.assert_array_equal(reader.get_tensor('conv2d_1/kernel'), weights[0])
    assert reader.get_tensor('Adam/iterations') == 2 * 45  # 1437 samples in batches of 32
    assert not list(tmp_path.glob('*.meta'))  # the code makes the graph, not a file
    shapes = list(reader.get_variable_to_shape_map().values())
    assert shapes.count([3, 3, 1, 16]) == 3  # the kernel and its first and second moment


def test_the_recipe_says_zero(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert found['largest_difference'] == 0


def test_without_the_line_that_matters_the_moments_are_lost(module, digits, monkeypatch):
    build = module.build_model

    def build_model(shape):  # the recipe's call does nothing, fit's own does
        model = build(shape)
        make = model._make_train_function
        calls = []
        model._make_train_function = lambda: calls.append(1) or (make() if len(calls) > 1 else None)
        return model

    monkeypatch.setattr(module, 'build_model', build_model)
    assert module.run(digits, epochs=2, verbose=0)['largest_difference'] > 1e-3
