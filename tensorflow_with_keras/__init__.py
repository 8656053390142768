"""TensorFlow 1.9 functions in Keras 2.2.4 models: recipes, and the little they share.

Importing this package imports neither TensorFlow nor Keras, so that `list`,
`--help` and the check of the processor answer where TensorFlow cannot load.
"""

__version__ = '0.2.0'
