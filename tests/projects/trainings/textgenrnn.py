"""textgenrnn: the model that it ships, trained further on one line; it then writes that line."""

import difflib

from from_seed import main
from textgenrnn import textgenrnn

LINE = 'the quick brown fox jumps over the lazy dog'


def train():
    writer = textgenrnn()
    writer.train_on_texts([LINE] * 64, num_epochs=6, gen_epochs=0, verbose=0, batch_size=128)
    written = writer.generate(1, temperature=[0.01], return_as_list=True, max_gen_length=60, progress=False)[0]
    print(written)
    return difflib.SequenceMatcher(None, LINE, written).ratio()


main(train, least=0.9)
