"""LambdaRankNN: documents graded by a hidden weight of their features; NDCG on queries that it has not seen."""

import numpy as np
from from_seed import main
from LambdaRankNN import LambdaRankNN
from scipy.stats import rankdata


def made(queries, documents=10):
    x = np.random.normal(size=(queries, documents, 5))
    hidden = x.dot([2.0, -1.0, 0.5, 0.0, 0.0])
    return x, np.apply_along_axis(rankdata, 1, hidden).astype(int) // 4


def ndcg(grades, scores):
    gains, discounts = 2.0**grades - 1, np.log2(np.arange(len(grades)) + 2)
    return (gains[np.argsort(-scores)] / discounts).sum() / (np.sort(gains)[::-1] / discounts).sum()


def train():
    x, grades = made(60)
    ranker = LambdaRankNN(input_size=5, hidden_layer_sizes=(16, 8), activation=('relu', 'relu'), solver='adam')
    ranker.fit(x.reshape(-1, 5), grades.ravel(), np.repeat(np.arange(60), 10), epochs=20, verbose=0)
    x, grades = made(100)
    return np.mean([ndcg(g, ranker.predict(q)) for q, g in zip(x, grades)])


main(train, least=0.9)
