"""anaGo: names of people and places in made sentences, by its BiLSTM with a CRF; F1 on names that it has not seen."""

import anago
import numpy as np
from from_seed import main
from seqeval.metrics import f1_score

WORDS = 'we they often never met saw the old new road house and then left'.split()


def sentence():
    words = list(np.random.choice(WORDS, 6))
    tags = ['O'] * 6
    for kind, before, ending in ('PER', 'mister', 'son'), ('LOC', 'near', 'ville'):
        at = np.random.randint(len(words) + 1)
        if at and tags[at - 1] == 'O' and words[at - 1] in ('mister', 'near'):
            at -= 1
        name = ''.join(np.random.choice(list('abdegiklmnort'), 4)).capitalize() + ending
        words[at:at], tags[at:at] = [before, name], ['O', 'B-' + kind]
    return words, tags


def train():
    x, y = zip(*(sentence() for _ in range(300)))
    x_test, y_test = zip(*(sentence() for _ in range(100)))
    model = anago.Sequence(
        word_embedding_dim=20, char_embedding_dim=10, word_lstm_size=20, char_lstm_size=10, fc_dim=20
    )
    model.fit(list(x), list(y), epochs=12, batch_size=16, verbose=0)
    return f1_score(list(y_test), [tags(model, words) for words in x_test])


def tags(model, words):
    found = ['O'] * len(words)
    for entity in model.analyze(' '.join(words))['entities']:
        found[entity['beginOffset']] = 'B-' + entity['type']
    return found


main(train, least=0.85)
