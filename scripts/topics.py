"""The headings of the recipes' topics, in README.md and in the gallery."""

TOPICS = {
    'data': 'Data: tf.data and TFRecords under Keras',
    'distributed': 'Distributed: several devices, processes and machines',
    'export': 'Export: files for later, for others, and for a process without Keras',
    'interop': 'Interop: Keras models and plain TensorFlow side by side',
    'layers': 'Layers: TensorFlow functions as layers',
    'losses': 'Losses: what tf.losses, tf.nn and tf.contrib have and Keras has not',
    'metrics': 'Metrics: the number that is meant, not an average of batches',
    'observe': 'Observe: TensorBoard, and where the time goes',
    'sessions': 'Sessions: graphs, variables, threads, seeds',
    'training': 'Training: optimizers, gradients, loops',
}
