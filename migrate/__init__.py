"""Moves a model file of Keras 2.2.4 to ONNX, SavedModel, tf-keras or Keras 3, with a proof that it answers the same.

`python -m migrate` takes three environments in turn, since no Python has both sides: `old` runs beside TensorFlow 1.9,
`new` and `judge` beside a current Keras, `with_tf` beside a current TensorFlow. docs/migrate.md says what each target
keeps.
"""
