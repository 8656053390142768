"""The post's network on the whole MNIST: the accuracy of some epochs, and Keras's kappa against scikit-learn's.

.venv/bin/python benchmarks/mnist_epoch.py [--data-dir DIR] [--epochs N]
"""

import argparse
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')

from sklearn.metrics import cohen_kappa_score  # noqa: E402

from tensorflow_with_keras import datasets, recipe, session  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data-dir')
    p.add_argument('--epochs', type=int, default=1)
    args = p.parse_args()
    data = datasets.load('mnist', args.data_dir)
    session.start(seed=0)
    example = recipe.load('metrics/cohens_kappa')
    models, build_model = [], example.build_model
    example.build_model = lambda shape: models.append(build_model(shape)) or models[-1]
    found = example.run(data, epochs=args.epochs, batch_size=128, verbose=1)
    reference = cohen_kappa_score(data.y_test, models[0].predict(data.x_test).argmax(1))
    print('test accuracy          %.4f' % found['test_accuracy'])
    print('kappa, Keras prints    %.8f' % found['test_kappa'])
    print('kappa, scikit-learn    %.8f  (difference %.1e)' % (reference, abs(reference - found['test_kappa'])))


if __name__ == '__main__':
    main()
