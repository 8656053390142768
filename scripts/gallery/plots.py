"""The gallery's pictures of what some recipes do; beside TensorFlow 1.9, in Python 3.6.

    python scripts/gallery/plots.py --list               # the recipes that have one
    python scripts/gallery/plots.py TOPIC/NAME FOLDER    # FOLDER has the recipe's result.json

Trains the recipe again, with the seed and the one thread of its recorded run, looks at the trained model, and writes
plot.svg, and plot.json with the words for those who do not see it, into FOLDER. The numbers have to be those of
result.json to the last bit, so that picture and numbers on a page are of one model. A picture is 4 by 3 inches with
letters of 10 points: at the 300 pixels of a thumbnail they are 10 pixels high. It has a baseline to compare with, and
colours that the colour-blind tell apart (Okabe and Ito's).
"""

import argparse
import json
import os
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)
os.environ['KERAS_BACKEND'] = 'tensorflow'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')

import numpy as np  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402

from tensorflow_with_keras import datasets, recipe  # noqa: E402

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = '#0072B2', '#E69F00', '#009E73', '#D55E00', '#CC79A7', '#595959'
STYLE = {
    'figure.figsize': (4, 3),
    'font.size': 10,
    'axes.titlesize': 10,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'legend.fontsize': 9,
    'legend.frameon': False,
    'lines.linewidth': 2,
    'svg.hashsalt': 'tensorflow-with-keras',  # the same names of parts each time
}
PLOTS = {}  # recipe to function of (axes, run); it draws, and returns what is to be seen


class Run:
    """A recipe, trained: `module`, `data`, `model`, `results`, `folder` of its files; and what happened meanwhile.

    `history` is a dict of lists, a number for each epoch; `weights` a list of the model's weights after each of them.
    """


def plots(name):
    def keep(function):
        PLOTS[name] = function
        return function

    return keep


def roc(truth, scores):
    """False and true positive rates, one for each threshold that tells two scores apart."""
    from sklearn.metrics import roc_curve

    return roc_curve(truth, scores)[:2]


def by_epoch(axes, label):
    """Axes over whole epochs, which begin with 1."""
    axes.xaxis.set_major_locator(plt.MaxNLocator(integer=True, nbins=6))
    axes.set(xlabel='epoch', ylabel=label)


@plots('metrics/roc_auc')
def roc_auc(axes, run):
    scores = run.model.predict(run.data.x_test)
    truth = run.module.LOOPS[run.data.y_test]
    for c, color, style in ((0, BLUE, '-'), (1, ORANGE, '--'), (2, GREEN, '-.')):
        axes.plot(*roc(truth == c, scores[:, c]), color=color, linestyle=style, label='%d loops' % c)
    axes.plot([0, 1], [0, 1], ':', color=GREY, label='chance')
    auc = run.results['test_auc']
    axes.set(xlabel='false positive rate', ylabel='true positive rate', title='Mean area: %.3f' % auc)
    axes.legend(loc='lower right')
    return (
        'ROC curves of three classes, digits with no, one and two closed loops, each against the rest: all rise '
        'steeply, far above the diagonal of chance. The mean area under them is %.3f.' % auc
    )


@plots('metrics/operating_point')
def operating_point(axes, run):
    truth = run.data.y_test == run.module.POSITIVE
    alarms, found = roc(truth, run.model.predict(run.data.x_test)[:, 0])
    reached = run.results['test_sensitivity_at_95']
    axes.plot(alarms, found, color=BLUE, label='detector of eights')
    axes.plot([0, 1], [0, 1], ':', color=GREY, label='chance')
    axes.axvline(0.05, color=ORANGE, linestyle='--', linewidth=1)
    axes.plot(0.05, reached, 'o', color=RED, markersize=8, label='specificity 0.95')
    axes.set(xlabel='false alarm rate (1 − specificity)', ylabel='sensitivity', title='Finds %.2f' % reached)
    axes.legend(loc='lower right')
    return (
        'Sensitivity of a detector of eights over its false alarm rate, far above the diagonal of chance. A dot marks '
        'the operating point: at a specificity of 0.95 it finds %.2f of the eights.' % reached
    )


@plots('metrics/cohens_kappa')
def cohens_kappa(axes, run):
    epochs = np.arange(1, len(run.history['val_acc']) + 1)
    axes.plot(epochs, run.history['cohens_kappa'], 'o-', color=BLUE, label='κ, training')
    axes.plot(epochs, run.history['val_cohens_kappa'], 's--', color=ORANGE, label='κ, test')
    axes.plot(epochs, run.history['val_acc'], '^-.', color=GREEN, label='accuracy, test')
    axes.axhline(0, color=GREY, linestyle=':')
    axes.text(epochs[-1], 0.02, 'κ of chance', color=GREY, ha='right')
    axes.set_ylim(-0.05, 1)
    by_epoch(axes, 'κ and accuracy')
    axes.legend(loc='center right')
    return (
        "Cohen's kappa of training and test set over the epochs, with the accuracy of the test set a little above it: "
        'all rise, the kappa of the test set to %.2f; that of chance is 0.' % run.results['test_kappa']
    )


@plots('metrics/cohens_kappa_update_op')
def cohens_kappa_update_op(axes, run):
    from sklearn.metrics import cohen_kappa_score

    right = []
    for weights in run.weights:
        run.model.set_weights(weights)
        right.append(cohen_kappa_score(run.data.y_test, run.model.predict(run.data.x_test).argmax(1)))
    epochs = np.arange(1, len(right) + 1)
    axes.plot(epochs, right, 'o-', color=BLUE, label="scikit-learn's")
    axes.plot(epochs, run.history['val_cohens_kappa'], 's--', color=RED, label='as Keras prints it')
    axes.axhline(0, color=GREY, linestyle=':')
    axes.text(epochs[-1], 0.02, 'chance', color=GREY, ha='right')
    axes.set_ylim(-0.05, 1)
    by_epoch(axes, 'test κ')
    axes.legend(loc='center right')
    return (
        "Cohen's kappa of the test set over the epochs, once by scikit-learn and once as Keras prints the update "
        'operation. The printed one is another number: %.2f at the end, where the right one is %.2f.'
        % (run.results['printed_test_kappa'], run.results['sklearn_test_kappa'])
    )


@plots('metrics/best_epoch')
def best_epoch(axes, run):
    kappas = np.array(run.history['val_' + run.module.METRIC])
    epochs = np.arange(1, len(kappas) + 1)
    axes.plot(epochs, kappas, '.-', color=BLUE)
    best, worst = run.results['best_epoch'], run.results['worst_epoch']
    axes.plot(best, kappas[best - 1], '*', color=GREEN, markersize=14, label="kept by mode='max'")
    axes.plot(worst, kappas[worst - 1], 'X', color=RED, markersize=10, label="kept by mode='auto'")
    axes.axhline(kappas[-1], color=GREY, linestyle=':', label='last epoch')
    by_epoch(axes, 'test κ')
    axes.legend(loc='lower right')
    return (
        "Cohen's kappa of the test set over the epochs. A star marks the best one, epoch %d, which mode='max' keeps "
        "with %.3f; a cross the worst one, epoch %d, which mode='auto' keeps with %.3f; a dotted line the last one."
        % (best, kappas.max(), worst, kappas.min())
    )


@plots('metrics/epoch_callback')
def epoch_callback(axes, run):
    values = np.array(run.history['val_ap'])
    epochs = np.arange(1, len(values) + 1)
    axes.plot(epochs, values, '.-', color=BLUE, label='validation')
    best = 1 + values.argmax()
    axes.plot(best, values.max(), '*', color=GREEN, markersize=14, label='best, epoch %d' % best)
    axes.axhline(values[-1], color=GREY, linestyle=':', label='last epoch')
    by_epoch(axes, 'mean average precision')
    axes.legend(loc='lower right')
    return (
        'Average precision of the validation set over the epochs: from %.3f it rises to %.3f in epoch %d, which is '
        'kept, and training stops after epoch %d with %.3f.' % (values[0], values.max(), best, len(values), values[-1])
    )


@plots('metrics/mean_iou')
def mean_iou(axes, run):
    epochs = np.arange(1, len(run.history['val_acc']) + 1)
    background = run.results['test_background']
    axes.plot(epochs, run.history['val_acc'], 's--', color=ORANGE, label='accuracy')
    axes.plot(epochs, run.history['val_mean_iou'], 'o-', color=BLUE, label='mean IoU')
    axes.axhline(background, color=GREY, linestyle=':', label='accuracy of "all background"')
    axes.set_ylim(0, 1)
    by_epoch(axes, 'of the test pixels')
    axes.legend(loc='lower right')
    return (
        'Accuracy and mean intersection over union of the test pixels over the epochs. The accuracy begins at %.2f, '
        'since %.2f of the pixels are background; the mean IoU begins at %.2f and shows what is learned, up to %.2f.'
        % (run.history['val_acc'][0], background, run.history['val_mean_iou'][0], run.results['test_mean_iou'])
    )


@plots('metrics/many_metrics')
def many_metrics(axes, run):
    shown = ['mean_iou', 'cohen_kappa', 'accuracy', 'auc', 'precision', 'recall', 'recall_at_k', 'mean_cosine_distance']
    # the same predictions against labels in another order
    import keras

    labels = np.random.RandomState(0).permutation(run.data.y_test)
    values = run.model.evaluate(run.data.x_test, keras.utils.to_categorical(labels, 10), verbose=0)
    shuffled = dict(zip(run.model.metrics_names, values))
    rows = np.arange(len(shown))
    axes.hlines(rows, 0, 1, color='#dddddd', linewidth=1)
    axes.plot(
        [shuffled[name] for name in shown], rows, 'o', color=GREY, markerfacecolor='none', label='labels shuffled'
    )
    axes.plot([run.results[name] for name in shown], rows, 'D', color=BLUE, label='model')
    axes.set(xlim=(-0.05, 1.05), xlabel='value', yticks=rows, yticklabels=[n.replace('_', ' ') for n in shown])
    axes.legend(loc='upper center', bbox_to_anchor=(0.3, 1.2), ncol=2)
    pairs = ', '.join(
        '%s %.2f (%.2f)' % (n.replace('_', ' '), run.results[n], round(shuffled[n], 2) + 0) for n in shown
    )
    return (
        'Eight of the %d metrics of one model on a scale from 0 to 1, and in brackets against shuffled labels: %s.'
        % (
            len(run.module.METRICS),
            pairs,
        )
    )


@plots('training/learning_rate_decay')
def learning_rate_decay(axes, run):
    rate, decay = run.module.RATE, run.module.DECAY
    batches = np.arange(len(run.rates))
    each = len(run.rates) / run.results['epochs']
    axes.plot(batches, run.rates, color=BLUE, linewidth=5, alpha=0.5, label="TensorFlow's")
    axes.plot(batches, rate * decay ** (batches / each), '--', color='black', linewidth=1.5, label='closed form')
    axes.axhline(rate, color=GREY, linestyle=':', label='no decay')
    axes.set(xlabel='batch (%d an epoch)' % each, ylabel='learning rate', ylim=(0, 1.1 * rate))
    axes.legend(loc='center right')
    return (
        'The learning rate over the batches: a smooth curve from %.2f down to %.3f, on which the closed form lies; a '
        'dotted line shows the rate without decay.' % (run.rates[0], run.rates[-1])
    )


@plots('training/weight_moving_average')
def weight_moving_average(axes, run):
    epochs = np.arange(1, len(run.history['val_acc']) + 1)
    axes.plot(epochs, run.history['val_average_acc'], 'o-', color=BLUE, label='moving average')
    axes.plot(epochs, run.history['val_acc'], 's--', color=ORANGE, label='last weights')
    by_epoch(axes, 'test accuracy')
    axes.legend(loc='lower right')
    return (
        'Test accuracy over the epochs. By the last weights it jumps up and down; by their moving average it lies '
        'above that in most epochs, jumps less, and ends at %.3f, the last weights at %.3f.'
        % (run.results['val_average_acc'], run.results['val_acc'])
    )


@plots('losses/focal')
def focal(axes, run):
    import keras

    x, truth = run.data.x_test, run.data.y_test == 8
    scores = {'focal': run.model.predict(x)[:, 0]}
    plain = run.module.build_model(x.shape[1:])  # the same network on the cross-entropy
    plain.compile('adam', lambda t, z: keras.backend.binary_crossentropy(t, z, from_logits=True))
    plain.optimizer.lr = 0.01
    plain.fit(run.data.x_train, run.data.y_train == 8, batch_size=64, epochs=run.results['epochs'], verbose=0)
    scores['cross-entropy'] = plain.predict(x)[:, 0]
    edges = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])
    above = {}
    for (name, z), color, style, shift in zip(scores.items(), (BLUE, ORANGE), ('o-', 's--'), (-0.008, 0.008)):
        p = 1 / (1 + np.exp(-z))
        bins = np.minimum(np.digitize(p, edges) - 1, len(edges) - 2)
        filled = [b for b in range(len(edges) - 1) if (bins == b).any()]
        n = np.array([(bins == b).sum() for b in filled])
        said = np.array([p[bins == b].mean() for b in filled])
        true = np.array([truth[bins == b].mean() for b in filled])
        error = np.sqrt((true * (1 - true) + 1 / (4 * n)) / n)  # of a share out of n; none of 0 width at 0 and 1
        axes.errorbar(said + shift, true, error, fmt=style, color=color, capsize=2, elinewidth=1, label=name)
        above[name] = p[truth].mean()
    axes.plot([0, 1], [0, 1], ':', color=GREY, label='calibrated')
    axes.set(xlabel='predicted probability of an eight', ylabel='share that is one', ylim=(-0.1, 1.15))
    axes.legend(loc='upper left')
    return (
        'Calibration on %d test images: which share of those with a predicted probability are eights, with standard '
        'errors, beside the diagonal of a calibrated network. The focal loss makes a network less sure of what it '
        'finds: of the true eights it thinks %.2f on average, the same network by cross-entropy %.2f.'
        % (len(x), above['focal'], above['cross-entropy'])
    )


@plots('losses/huber')
def huber(axes, run):
    from keras import backend as K

    away = np.linspace(-4, 4, 161).astype('float32').reshape(-1, 1)
    losses = K.get_session().run(run.module.huber(K.constant(0 * away), K.constant(away)))
    axes.plot(away, losses, color=BLUE, label='Huber, δ = 1')
    axes.plot(away, away**2 / 2, '--', color=ORANGE, label='half the square')
    axes.plot(away, np.abs(away), ':', color=GREY, label='absolute value')
    axes.set(xlabel='prediction − target', ylabel='loss of a sample', ylim=(0, 8))
    axes.legend(loc='upper center')
    return (
        "Huber's loss over the error, from -4 to 4: near 0 it is half the square, beyond 1 a straight line, so that at "
        'an error of 4 it is %.1f where half the square is 8.' % float(losses[-1])
    )


@plots('losses/ctc')
def ctc(axes, run):
    x, y = run.module.lines(run.data.x_test, run.data.y_test, 300, seed=2)
    scores = run.model.predict(x)
    p = np.exp(scores - scores.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    steps = p.shape[1]
    best = p.argmax(2)
    read = [
        [c for c, before in zip(row, [-1, *row]) if c != before and c < run.module.CLASSES] for row in best.tolist()
    ]
    right = [read[i] == y[i].tolist() and len(set(read[i])) == run.module.LONGEST for i in range(len(y))]
    chosen = right.index(True)  # the first line of three different digits that is read right
    axes.imshow(x[chosen, ..., 0], cmap='gray_r', extent=(0, steps, 1.08, 1.7), aspect='auto')
    time = np.arange(steps) + 0.5
    axes.plot(time, p[chosen, :, -1], ':', color=GREY, label='nothing here')
    for digit, color, style in zip(read[chosen], (BLUE, ORANGE, GREEN), ('o-', 's--', '^-.')):
        axes.plot(time, p[chosen, :, digit], style, color=color, markersize=4, label='%d' % digit)
    axes.set(xlim=(0, steps), ylim=(0, 1.7), yticks=[0, 0.5, 1], xlabel='step (two columns of pixels)')
    axes.set_ylabel('probability', y=0.3)
    axes.legend(loc='upper center', bbox_to_anchor=(0.5, 1.2), ncol=4, columnspacing=0.8, handlelength=1.6)
    return (
        'A line of three digits, %d, %d and %d, and below it the probability of each over the steps from left to '
        'right: each has a short peak of its own, in the order of the line, and in between the class "nothing here" '
        'is the likeliest.' % tuple(read[chosen])
    )


@plots('observe/timeline_profile')
def timeline_profile(axes, run):
    with open(os.path.join(run.folder, run.results['file'])) as f:
        events = json.load(f)['traceEvents']
    total = {}
    for event in events:
        if event.get('ph') == 'X':  # an operation, with its time
            kind = event['args'].get('op', event['name'])
            total[kind] = total.get(kind, 0) + event['dur']
    longest = sorted(total, key=total.get)[-6:]
    whole = sum(total.values())
    axes.barh(longest, [total[kind] for kind in longest], color=BLUE)
    equal = whole / len(total)
    axes.axvline(equal, color=RED, linestyle='--')
    axes.set(xlabel='µs in the last batch', title='Dashed: equal share of %d types' % len(total))
    axes.tick_params(axis='y', labelsize=8)
    axes.xaxis.set_major_locator(plt.MaxNLocator(nbins=4))
    return (
        'The six types of operation in which most of a training step is spent, as bars in microseconds: %s leads with '
        '%d of %d. A dashed line shows what each of the %d types would have if all had the same.'
        % (longest[-1], total[longest[-1]], whole, len(total))
    )


@plots('distributed/horovod')
def scaling(axes, _):
    from benchmarks import scaling as reckoned

    processes = np.arange(2, 129)
    at = {}
    ways = ((reckoned.HOROVOD, 'Horovod', BLUE, '-'), (reckoned.SERVER, 'one server', ORANGE, '--'))
    for way, name, color, style in ways:
        transfer = 25636712 * 32 / 10e9  # ResNet-50's parameters over 10 Gbit/s, as in docs/scaling.md
        times = [reckoned.faster(way, n, transfer) for n in processes]
        at[name] = times[-1]
        axes.loglog(processes, times, style, color=color, label=name)
    axes.loglog(processes, processes, ':', color=GREY, label='no traffic')
    axes.set(xlabel='processes', ylabel='images a second, over one', title='ResNet-50, 10 Gbit/s, on paper')
    axes.set(xticks=[2, 8, 32, 128], xticklabels=['2', '8', '32', '128'])
    axes.set(yticks=[1, 4, 16, 64], yticklabels=['1', '4', '16', '64'])
    axes.minorticks_off()
    axes.legend(loc='upper left')
    return (
        'Reckoned on paper for ResNet-50 at 10 gigabits a second: how many times the images of one process, over the '
        'number of processes. Horovod follows the line without traffic at a constant distance, %.0f times with 128; '
        'one parameter server is full at %.1f times.' % (at['Horovod'], at['one server'])
    )


PLOTS['distributed/parameter_server'] = scaling
ON_PAPER = {'distributed/horovod', 'distributed/parameter_server'}  # nothing is trained for these


def train(name, folder):
    """Trains a recipe as its recorded run did. Returns a `Run`."""
    import keras
    from keras import backend as K

    from tensorflow_with_keras import session

    run = Run()
    run.folder, run.history, run.weights, run.rates = folder, {}, [], []

    class Watch(keras.callbacks.Callback):
        def on_batch_begin(self, *_):
            rate = getattr(getattr(self.model.optimizer, 'optimizer', None), 'rate', None)
            if rate is not None:
                run.rates.append(K.get_value(rate))

        def on_epoch_end(self, _, logs=None):
            run.model = self.model
            run.weights.append(self.model.get_weights())
            for key, value in (logs or {}).items():
                run.history.setdefault(key, []).append(value)

    with open(os.path.join(folder, 'result.json')) as f:
        record = json.load(f)
    run.data = datasets.load(record['dataset']['name'])
    run.module = recipe.load(name)
    session.start(record['seed'], record['threads'])
    with tempfile.TemporaryDirectory() as out:
        fit = {'verbose': 0, 'callbacks': [Watch()]}
        run.results = recipe.call(run.module.run, {'data': run.data, 'out': out, 'resume': out}, fit)
    for key, value in run.results.items():
        if record['metrics'][key] != (value if isinstance(value, str) else float(value)):
            sys.exit(f'error: {key} is {value} here and {record["metrics"][key]} in {folder}/result.json.')
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--list', action='store_true', help='print the recipes that have a picture')
    parser.add_argument('name', nargs='?', choices=sorted(PLOTS), metavar='TOPIC/NAME')
    parser.add_argument('folder', nargs='?', metavar='FOLDER', help='with the result.json of the recipe')
    args = parser.parse_args()
    if args.list:
        print('\n'.join(PLOTS))
        return
    if not args.folder:
        parser.error('TOPIC/NAME and FOLDER are both needed')
    run = None if args.name in ON_PAPER else train(args.name, args.folder)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots()
        alt = PLOTS[args.name](axes, run)
        figure.tight_layout()
        figure.savefig(os.path.join(args.folder, 'plot.svg'))
    with open(os.path.join(args.folder, 'plot.json'), 'w') as f:
        json.dump({'file': 'plot.svg', 'alt': alt}, f)


if __name__ == '__main__':
    main()
