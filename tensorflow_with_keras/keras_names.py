"""Names that Keras 2.2.4 knows when it loads a model, and the keywords that each of them takes.

Data for model_file, which runs where there is no Keras. tests/library/test_model_file.py takes the same from Keras
itself and compares.
"""


def _names(text):
    return frozenset(text.split())


def _table(text):
    """Lines `name name …: keyword keyword …`, long ones continued by indented lines, to a dict of frozensets."""
    rows = (line.partition(':') for line in text.strip().replace('\n  ', ' ').splitlines())
    return {name: _names(keywords) for names, _, keywords in rows for name in names.split()}


# what every layer takes beside its own; but not InputLayer
OF_ANY_LAYER = _names("""
batch_input_shape batch_size dtype input_dtype input_shape name trainable weights
""")

LAYERS = _table("""
Activation: activation
ActivityRegularization: l1 l2
Add Average Layer Maximum Minimum Multiply Subtract:
AlphaDropout Dropout SpatialDropout1D: noise_shape rate seed
AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D MaxPool1D MaxPool2D MaxPool3D
  MaxPooling1D MaxPooling2D MaxPooling3D: data_format padding pool_size strides
BatchNormalization: axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint
  gamma_initializer gamma_regularizer momentum moving_mean_initializer moving_variance_initializer scale
Bidirectional: layer merge_mode weights
Concatenate Softmax: axis
Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D: activation activity_regularizer bias_constraint
  bias_initializer bias_regularizer data_format dilation_rate filters kernel_constraint kernel_initializer
  kernel_regularizer kernel_size padding rank strides use_bias
Conv2DTranspose Conv3DTranspose Convolution2DTranspose Deconv2D Deconv3D Deconvolution2D Deconvolution3D: activation
  activity_regularizer bias_constraint bias_initializer bias_regularizer data_format dilation_rate filters
  kernel_constraint kernel_initializer kernel_regularizer kernel_size output_padding padding rank strides use_bias
ConvLSTM2D: activation activity_regularizer bias_constraint bias_initializer bias_regularizer cell data_format
  dilation_rate dropout filters go_backwards kernel_constraint kernel_initializer kernel_regularizer kernel_size
  padding recurrent_activation recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer
  return_sequences return_state stateful strides unit_forget_bias unroll use_bias
ConvLSTM2DCell: activation bias_constraint bias_initializer bias_regularizer data_format dilation_rate dropout
  filters kernel_constraint kernel_initializer kernel_regularizer kernel_size padding recurrent_activation
  recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer strides unit_forget_bias
  use_bias
ConvRNN2D RNN: cell go_backwards return_sequences return_state stateful unroll
ConvRecurrent2D: data_format dilation_rate filters go_backwards implementation kernel_size padding return_sequences
  return_state stateful strides unroll
Cropping1D Cropping2D Cropping3D: cropping data_format
CuDNNGRU: activity_regularizer bias_constraint bias_initializer bias_regularizer cell go_backwards kernel_constraint
  kernel_initializer kernel_regularizer recurrent_constraint recurrent_initializer recurrent_regularizer
  return_sequences return_state stateful units unroll
CuDNNLSTM: activity_regularizer bias_constraint bias_initializer bias_regularizer cell go_backwards
  kernel_constraint kernel_initializer kernel_regularizer recurrent_constraint recurrent_initializer
  recurrent_regularizer return_sequences return_state stateful unit_forget_bias units unroll
Dense: activation activity_regularizer bias_constraint bias_initializer bias_regularizer kernel_constraint
  kernel_initializer kernel_regularizer units use_bias
DepthwiseConv2D: activation activity_regularizer bias_constraint bias_initializer bias_regularizer data_format
  depth_multiplier depthwise_constraint depthwise_initializer depthwise_regularizer dilation_rate filters
  kernel_constraint kernel_initializer kernel_regularizer kernel_size padding rank strides use_bias
Dot: axes normalize
ELU LeakyReLU: alpha
Embedding: activity_regularizer embeddings_constraint embeddings_initializer embeddings_regularizer input_dim
  input_length mask_zero output_dim
Flatten GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
  GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D
  GlobalMaxPooling3D: data_format
GRU: activation activity_regularizer bias_constraint bias_initializer bias_regularizer cell dropout go_backwards
  implementation kernel_constraint kernel_initializer kernel_regularizer recurrent_activation recurrent_constraint
  recurrent_dropout recurrent_initializer recurrent_regularizer reset_after return_sequences return_state stateful
  units unroll use_bias
GRUCell: activation bias_constraint bias_initializer bias_regularizer dropout implementation kernel_constraint
  kernel_initializer kernel_regularizer recurrent_activation recurrent_constraint recurrent_dropout
  recurrent_initializer recurrent_regularizer reset_after units use_bias
GaussianDropout: rate
GaussianNoise: stddev
Highway: W_constraint W_regularizer activation activity_regularizer b_constraint b_regularizer bias init input_dim
  weights
InputLayer: batch_input_shape batch_size dtype input_shape input_tensor name sparse
LSTM: activation activity_regularizer bias_constraint bias_initializer bias_regularizer cell dropout go_backwards
  implementation kernel_constraint kernel_initializer kernel_regularizer recurrent_activation recurrent_constraint
  recurrent_dropout recurrent_initializer recurrent_regularizer return_sequences return_state stateful
  unit_forget_bias units unroll use_bias
LSTMCell: activation bias_constraint bias_initializer bias_regularizer dropout implementation kernel_constraint
  kernel_initializer kernel_regularizer recurrent_activation recurrent_constraint recurrent_dropout
  recurrent_initializer recurrent_regularizer unit_forget_bias units use_bias
Lambda: arguments function mask output_shape
LocallyConnected1D LocallyConnected2D: activation activity_regularizer bias_constraint bias_initializer
  bias_regularizer data_format filters kernel_constraint kernel_initializer kernel_regularizer kernel_size padding
  strides use_bias
Masking: mask_value
MaxoutDense: W_constraint W_regularizer activity_regularizer b_constraint b_regularizer bias init input_dim
  nb_feature output_dim weights
PReLU: alpha_constraint alpha_initializer alpha_regularizer shared_axes
Permute: dims
ReLU: max_value negative_slope threshold
Recurrent: go_backwards implementation return_sequences return_state stateful unroll
RepeatVector: n
Reshape: target_shape
SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D: activation activity_regularizer
  bias_constraint bias_initializer bias_regularizer data_format depth_multiplier depthwise_constraint
  depthwise_initializer depthwise_regularizer dilation_rate filters kernel_constraint kernel_initializer
  kernel_regularizer kernel_size padding pointwise_constraint pointwise_initializer pointwise_regularizer rank
  strides use_bias
SimpleRNN: activation activity_regularizer bias_constraint bias_initializer bias_regularizer cell dropout
  go_backwards kernel_constraint kernel_initializer kernel_regularizer recurrent_constraint recurrent_dropout
  recurrent_initializer recurrent_regularizer return_sequences return_state stateful units unroll use_bias
SimpleRNNCell: activation bias_constraint bias_initializer bias_regularizer dropout kernel_constraint
  kernel_initializer kernel_regularizer recurrent_constraint recurrent_dropout recurrent_initializer
  recurrent_regularizer units use_bias
SpatialDropout2D SpatialDropout3D: data_format noise_shape rate seed
StackedRNNCells: cells
ThresholdedReLU: theta
TimeDistributed Wrapper: layer
UpSampling1D UpSampling3D: data_format size
UpSampling2D: data_format interpolation size
ZeroPadding1D ZeroPadding2D ZeroPadding3D: data_format padding
""")

INITIALIZERS = _table("""
Constant constant: value
Identity identity: gain
Initializer Ones Zeros one ones zero zeros:
Orthogonal orthogonal: gain seed
RandomNormal TruncatedNormal normal random_normal truncated_normal: mean seed stddev
RandomUniform random_uniform uniform: maxval minval seed
VarianceScaling: distribution mode scale seed
glorot_normal glorot_uniform he_normal he_uniform lecun_normal lecun_uniform: seed
""")

REGULARIZERS = _table("""
L1L2 l1_l2: l1 l2
Regularizer:
l1 l2: l
""")

CONSTRAINTS = _table("""
Constraint NonNeg non_neg nonneg:
MaxNorm max_norm maxnorm: axis max_value
MinMaxNorm min_max_norm: axis max_value min_value rate
UnitNorm unit_norm unitnorm: axis
""")

# by their names in lower case
OPTIMIZERS = _table("""
adadelta rmsprop: decay epsilon lr rho
adagrad: decay epsilon lr
adam: amsgrad beta_1 beta_2 decay epsilon lr
adamax: beta_1 beta_2 decay epsilon lr
nadam: beta_1 beta_2 epsilon lr schedule_decay
sgd: decay lr momentum nesterov
tfoptimizer: optimizer
""")

ACTIVATIONS = _names("""
elu exponential hard_sigmoid linear relu selu sigmoid softmax softplus softsign tanh
""")

LOSSES = _names("""
KLD MAE MAPE MSE MSLE binary_crossentropy categorical_crossentropy categorical_hinge cosine cosine_proximity hinge
kld kullback_leibler_divergence logcosh mae mape mean_absolute_error mean_absolute_percentage_error
mean_squared_error mean_squared_logarithmic_error mse msle poisson sparse_categorical_crossentropy squared_hinge
""")

METRICS = _names("""
MAE MAPE MSE MSLE binary_accuracy binary_crossentropy categorical_accuracy categorical_crossentropy cosine
cosine_proximity hinge kullback_leibler_divergence logcosh mae mape mean_absolute_error
mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse msle poisson
sparse_categorical_accuracy sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge
top_k_categorical_accuracy
""")

# what the code of a Lambda finds: the globals of keras/layers/core.py
OF_A_LAMBDA = _names("""
Activation ActivityRegularization Dense Dropout Flatten InputSpec K Lambda Layer Masking Permute RepeatVector
Reshape SpatialDropout1D SpatialDropout2D SpatialDropout3D absolute_import activations constraints conv_utils copy
deserialize_keras_object division func_dump func_load has_arg initializers interfaces np print_function python_types
regularizers warnings
""")

# of the bytecode of Python 3.6
OPCODES = frozenset(
    map(
        int,
        _names("""
1 2 3 4 5 9 10 11 12 15 16 17 19 20 22 23 24 25 26 27 28 29 50 51 52 55 56 57 59 60 61 62 63 64 65 66 67 68 69 70 71
72 73 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 100 101 102 103 104 105 106 107 108
109 110 111 112 113 114 115 116 119 120 121 122 124 125 126 127 130 131 132 133 135 136 137 138 141 142 143 144 145
146 147 148 149 150 151 152 153 154 155 156 157 158
"""),
    )
)
