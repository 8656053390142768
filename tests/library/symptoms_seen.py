"""What people have pasted into public issues: error messages as their programs printed them, shortened to what decides.

`KNOWN` has (id of the row, project#number, text), `UNKNOWN` (project#number, text). None of them was made for a test here,
so they have other names, paths, versions and line breaks; some have lost characters to Markdown.
"""

# ruff: noqa: E101, E501, W191, the lines are as they were pasted

KNOWN = [
    (
        'uninitialized',
        'sorenbouma/keras-oneshot#8',
        r"""
FailedPreconditionError: Attempting to use uninitialized value conv2d_1/kernel
	 [[Node: conv2d_1/kernel/read = Identity[T=DT_FLOAT, _class=["loc:@conv2d_1/kernel"], _device="/job:localhost/replica:0/task:0/cpu:0"](conv2d_1/kernel)]]

Caused by op 'conv2d_1/kernel/read', defined at:
  File "C:\ProgramData\Anaconda3\lib\runpy.py", line 193, in _run_module_as_main
    "__main__", mod_spec)
  File "C:\ProgramData\Anaconda3\lib\site-packages\ipykernel_launcher.py", line 16, in <module>
    app.launch_new_instance()
""",
    ),
    (
        'uninitialized',
        'hi-zhenyu/MvSCN#1',
        """
(0) Failed precondition: Attempting to use uninitialized value spectral_net_learning_rate
	 [[{{node spectral_net_learning_rate/read}}]]
	 [[Reshape_20/_1781]]
  (1) Failed precondition: Attempting to use uninitialized value spectral_net_learning_rate
	 [[{{node spectral_net_learning_rate/read}}]]
0 successful operations.
0 derived errors ignored.
""",
    ),
    (
        'not-in-this-graph',
        'jrosebr1/simple-keras-rest-api#4',
        'ValueError: Tensor Tensor("dense_2/Sigmoid:0", shape=(?, 1), dtype=float32) is not an element of this graph.',
    ),
    (
        'not-in-this-graph',
        'OlafenwaMoses/ImageAI#117',
        'Cannot interpret feed_dict key as Tensor: Tensor Tensor("keras_learning_phase:0", shape=(), dtype=bool) is not '
        'an element of this graph.',
    ),
    ('feed-inputs', 'tensorflow/tensorflow#17586', 'Not found: FeedInputs: unable to find feed output'),
    (
        'fetch-outputs',
        'Hyeokreal/Actor-Critic-Continuous-Keras#1',
        """
  File "/anaconda/lib/python3.6/site-packages/tensorflow/python/framework/errors_impl.py", line 473, in __exit__
    c_api.TF_GetCode(self.status.status))
tensorflow.python.framework.errors_impl.NotFoundError: FetchOutputs node IsVariableInitialized_8/IsVariableInitialized_6/IsVariableInitialized_51:0: not found

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/anaconda/lib/python3.6/threading.py", line 916, in _bootstrap_inner
    self.run()
  File "a3c_continuous.py", line 180, in run
    action = self.get_action(state)
  File "/anaconda/lib/python3.6/site-packages/keras/backend/tensorflow_backend.py", line 189, in get_session
    [tf.is_variable_initialized(v) for v in candidate_vars])
""",
    ),
    ('fed-and-fetched', 'AliaksandrSiarohin/pose-gan#15', '`input_1:0 is both fed and fetched`'),
    (
        'fetch-outputs',
        'openeventdata/mordecai#79',
        'tensorflow.python.framework.errors_impl.InvalidArgumentError: Tensor dense_112_input:0, specified in either '
        'feed_devices or fetch_devices was not found in the Graph',
    ),
    (
        'no-numpy',
        'tensorflow/tensorflow#39817',
        """
<ipython-input-46-10646c4f8b46> in custom__error(y_true, y_pred)
     15   count =  tf.sets.intersection(xcp,xct)
     16   dcount = tf.sparse.to_dense(count)
---> 17   return dcount.numpy()

AttributeError: 'Tensor' object has no attribute 'numpy'
""",
    ),
    (
        'predictions-range',
        'google-research/bert#923',
        """
InvalidArgumentError: assertion failed: [predictions must be in [0, 1]] [Condition x <= y did not hold element-wise:x (loss/Squeeze:0) = ] [0 0 0...] [y (auc/Cast_1:0) = ] [1]
	 [[node auc/assert_less_equal/Assert/Assert (defined at C:/Users/WTC/Desktop/AI/Sentiment/BERT/BERT_neutral.py:237) ]]
""",
    ),
    (
        'predictions-range',
        'keras-team/keras#15715',
        'tensorflow.python.framework.errors_impl.InvalidArgumentError:  assertion failed: [predictions must be <= 1]  ',
    ),
    (
        'squeeze',
        'nijianmo/fit-rec#3',
        r"""
Traceback (most recent call last):
  File "C:\Users\syfan\PycharmProjects\fit-rec\venv\lib\site-packages\tensorflow\python\framework\ops.py", line 1864, in _create_c_op
    c_op = c_api.TF_FinishOperation(op_desc)
tensorflow.python.framework.errors_impl.InvalidArgumentError: Can not squeeze dim[2], expected a dimension of 1, got 5 for 'lambda_1/Squeeze_1' (op: 'Squeeze') with input shapes: [?,450,5].

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "C:\Users\syfan\PycharmProjects\fit-rec\FitRec\heart_rate_aux.py", line 334, in <module>
    main(args)
  File "C:\Users\syfan\PycharmProjects\fit-rec\FitRec\heart_rate_aux.py", line 150, in build_model
    user_embedding = Lambda(lambda y: K.squeeze(y, 2))(user_embedding)
""",
    ),
    (
        'squeeze',
        'AITTSMD/MTCNN-Tensorflow#17',
        "The error is ValueError: Can not squeeze dim[1], expected a dimension of 1, got 19 for 'cls_prob' (op: 'Squeeze') "
        'with input shapes: [384,19,19,2].',
    ),
    (
        'incompatible-shapes',
        'susanli2016/NLP-with-Python#20',
        """
InvalidArgumentError: Incompatible shapes: [21504] vs. [1024,21]
	 [[{{node metrics_11/acc/Equal}}]]
""",
    ),
    (
        'incompatible-shapes',
        'kuza55/keras-extras#31',
        """
  File "/home/faheem/.conda/envs/test/lib/python3.6/site-packages/keras/backend/tensorflow_backend.py", line 2675, in _call
    fetched = self._callable_fn(*array_vals)
  File "/home/faheem/.conda/envs/test/lib/python3.6/site-packages/tensorflow/python/framework/errors_impl.py", line 528, in __exit__
    c_api.TF_GetCode(self.status.status))
tensorflow.python.framework.errors_impl.InvalidArgumentError: Incompatible shapes: [1,256,48,64] vs. [1,256,47,63]
         [[{{node fpn_p3add/add}}]]
""",
    ),
    (
        'allow-pickle',
        'keras-team/keras#12729',
        r"""
`numpy\lib\npyio.py", line 262, in __getitem__
    pickle_kwargs=self.pickle_kwargs)`
`numpy\lib\format.py", line 692, in read_array
    raise ValueError("Object arrays cannot be loaded when "
ValueError: Object arrays cannot be loaded when allow_pickle=False`
""",
    ),
    (
        'kwarg-ragged',
        'raghakot/keras-vis#210',
        "` TypeError: __init__() got an unexpected keyword argument 'ragged' ` in the interfaces.py file.",
    ),
    (
        'kwarg-ragged',
        'keras-team/keras#8956',
        """
`('Unrecognized keyword arguments:', dict_keys(['ragged'])): ValueError
Traceback (most recent call last):
  File "/var/task/lambda_function.py", line 50, in lambda_handler
    load_model(local_path_model)
  File "/opt/python/tensorflow/python/keras/engine/saving.py", line 230, in load_model
    model = model_from_config(model_config, custom_objects=custom_objects)
""",
    ),
    (
        'kwarg-reduction',
        'tensorflow/addons#809',
        """
TypeError
Traceback (most recent call last)
<ipython-input-33-dd68e3d40410> in <module>()
----> 1 loaded_model=tf.keras.models.load_model(filepath)

6 frames
/usr/local/lib/python3.6/dist-packages/tensorflow_core/python/keras/losses.py in from_config(cls, config)
    138         A `Loss` instance.
    139     \"\"\"
--> 140     return cls(**config)
    141
    142   def get_config(self):

TypeError: __init__() got an unexpected keyword argument 'reduction'
""",
    ),
    (
        'none-gradient',
        'pierluigiferrari/ssd_keras#379',
        r"""
  File "C:\Anaconda3\envs\Tensorflow\lib\site-packages\keras\optimizers.py", line 93, in get_gradients
    raise ValueError('An operation has `None` for gradient. '

ValueError: An operation has `None` for gradient. Please make sure that all of your ops have a gradient defined (i.e. are differentiable). Common ops without gradient: K.argmax, K.round, K.eval.`
------------------------------------------------------------------------------------------------------------------------
""",
    ),
    (
        'bad-marshal',
        'calico/ukbb-mri-sseg#16',
        """
  File "/opt/homebrew/lib/python3.10/site-packages/keras/utils/traceback_utils.py", line 70, in error_handler
    raise e.with_traceback(filtered_tb) from None
  File "/opt/homebrew/lib/python3.10/site-packages/keras/utils/generic_utils.py", line 103, in func_load
    code = marshal.loads(raw_code)
ValueError: bad marshal data (unknown type code)
""",
    ),
    (
        'str-decode',
        'idealo/image-super-resolution#228',
        """
[/usr/local/lib/python3.7/dist-packages/tensorflow_core/python/keras/saving/hdf5_format.py](https://localhost:8080/#) in load_weights_from_hdf5_group(f, layers)
    649   \"\"\"
    650   if 'keras_version' in f.attrs:
--> 651     original_keras_version = f.attrs['keras_version'].decode('utf8')
    652   else:
    653     original_keras_version = '1'

AttributeError: 'str' object has no attribute 'decode'
""",
    ),
    (
        'str-decode',
        'lasigeBioTM/BiOnt#4',
        "`original_keras_version = f.attrs['keras_version'].decode('utf8') AttributeError: 'str' object has no attribute 'decode'`",
    ),
    (
        'no-contrib',
        'tensorflow/tensorflow#36269',
        """
2020-01-28 02:46:01.200715: E tensorflow/core/platform/hadoop/hadoop_file_system.cc:132] HadoopFileSystem load error: libhdfs.so: cannot open shared object file: No such file or directory
Traceback (most recent call last):
  File "train.py", line 48, in <module>
    from tensorflow.contrib import framework as contrib_framework
**ModuleNotFoundError: No module named 'tensorflow.contrib'**
""",
    ),
    (
        'keras-moved',
        'CrockettLab/outrage_classifier#2',
        """
ModuleNotFoundError                       Traceback (most recent call last)
<ipython-input-5-935f7a09a2ec> in <module>
      1 import outrageclf as oclf
----> 3 from outrageclf.classifier import _load_crockett_model

     20 from keras import Sequential, optimizers, initializers, regularizers, constraints
---> 21 from keras.engine.topology import Layer

ModuleNotFoundError: No module named 'keras.engine.topology'
""",
    ),
    (
        'no-default-graph',
        'shubhi/car-damage-assessment#3',
        """
Traceback (most recent call last):
  File "/Users/vikrant/Downloads/Car/catthatcodes/app/app.py", line 7, in <module>
    from pipeline import pipeline
  File "/Users/vikrant/Downloads/Car/catthatcodes/app/pipeline/pipeline.py", line 8, in <module>
    graph = tf.get_default_graph()
AttributeError: module 'tensorflow' has no attribute 'get_default_graph'
""",
    ),
    (
        'tf1-names',
        'pythonlessons/Reinforcement_Learning#1',
        """
AttributeError                            Traceback (most recent call last)

<ipython-input-3-d4b99b39e7d5> in <module>()
     22 # configure Keras and TensorFlow sessions and graph
---> 23 config = tf.ConfigProto()
     24 config.gpu_options.allow_growth = True

AttributeError: module 'tensorflow' has no attribute 'ConfigProto'
""",
    ),
    (
        'private-names',
        'tensorflow/tensorflow#38589',
        """
  File "/usr/local/lib/python3.6/dist-packages/keras/backend/tensorflow_backend.py", line 703, in is_tensor
    return isinstance(x, tf_ops._TENSOR_LIKE_TYPES) or tf_ops.is_dense_tensor_like(x)
AttributeError: module 'tensorflow.python.framework.ops' has no attribute '_TENSOR_LIKE_TYPES'
""",
    ),
    (
        'backend-session',
        'OlafenwaMoses/ImageAI#596',
        """
Traceback (most recent call last):
  File "./camera_feed_detection.py", line 10, in <module>
    detector = VideoObjectDetection()
  File "/usr/local/lib/python3.8/dist-packages/imageai/Detection/__init__.py", line 984, in __init__
    self.sess = K.get_session()
AttributeError: module 'keras.backend' has no attribute 'get_session'
""",
    ),
    (
        'backend-session',
        'guanshuicheng/invoice#49',
        "AttributeError: module 'tensorflow_core.keras.backend' has no attribute 'get_session'",
    ),
    (
        'moved-import',
        'rishipython/StockTradingAI#2',
        """
ImportError                               Traceback (most recent call last)
[<ipython-input-2-6334f5a94aed>](https://localhost:8080/#) in <module>()
---> 10 from keras.optimizers import Adam
     11 from keras.models import Sequential, Model

ImportError: cannot import name 'Adam' from 'keras.optimizers' (/usr/local/lib/python3.7/dist-packages/keras/optimizers.py)

---------------------------------------------------------------------------
NOTE: If your import is failing due to a missing package, you can
manually install dependencies using either !pip or !apt.
""",
    ),
    (
        'keras-wants-tf2',
        'rolux/stylegan2encoder#26',
        r"""
from keras.utils import get_file
  File "E:\Anaconda\envs\stylegan2\lib\site-packages\keras\__init__.py", line 6, in <module>
    'Keras requires TensorFlow 2.2 or higher. '
ImportError: Keras requires TensorFlow 2.2 or higher. Install TensorFlow via `pip install tensorflow`
""",
    ),
    (
        'gast',
        'evilsocket/pwnagotchi#324',
        '> [2019-10-18` 17:32:36,087] [WARNING] Entity <bound method Flatten.call of <tensorflow.python.layers.core.Flatten '
        'object at 0x9f7e7450>> could not be transformed and will be executed as-is. Please report this to the AutoGraph '
        "team. Cause: converting <bound method Flatten.call of >: AttributeError: module 'gast' has no attribute 'Num'",
    ),
    (
        'protobuf',
        'GantMan/nsfw_model#154',
        r"""
Traceback (most recent call last):
  File "<stdin>", line 1, in <module>
  File "C:\Users\whiteSkar\git\nsfw_model\my_venv\lib\site-packages\google\protobuf\descriptor.py", line 561, in __new__
    _message.Message._CheckCalledFromGeneratedFile()
TypeError: Descriptors cannot not be created directly.
If this call came from a _pb2.py file, your generated code is out of date and must be regenerated with protoc >= 3.
""",
    ),
    (
        'scipy-images',
        'knazeri/edge-connect#91',
        r"""
  File "C:\Users\admin\Desktop\edge-connect-master\src\dataset.py", line 10, in <module>
    from scipy.misc import imread
ImportError: cannot import name 'imread' from 'scipy.misc' (C:\Users\admin\AppData\Local\Programs\Python\Python37\lib\site-packages\scipy\misc\__init__.py)
""",
    ),
    (
        'async-keyword',
        'liziliao/ASNE#10',
        r"""
  File "C:\Users\Drenched\AppData\Local\Programs\Python\Python37\lib\site-packages\tensorflow\python\pywrap_tensorflow_internal.py", line 114
    def TFE_ContextOptionsSetAsync(arg1, async):
                                             ^
SyntaxError: invalid syntax
------------------------------------------------------------------
""",
    ),
    (
        'pip-finds-none',
        'godofpdog/MobileNetV3_keras#2',
        'ERROR: Could not find a version that satisfies the requirement ****tensorflow-gpu==1.9.0**** (from versions: '
        '2.2.0rc1, 2.2.0rc2, 2.2.0rc3)\nERROR: No matching distribution found for tensorflow-gpu==1.9.0',
    ),
    (
        'numpy-names',
        'zjunlp/DeepKE#241',
        "AttributeError: module 'numpy' has no attribute 'object'.\n`np.object` was a deprecated alias for the builtin "
        '`object`. To avoid this error in existing code, use `object` by itself.',
    ),
    (
        'numpy-abi',
        'tensorflow/tensorflow#23071',
        """
>>> import tensorflow as tf
RuntimeError: module compiled against API version 0xc but this version of numpy is 0xa
ImportError: numpy.core.multiarray failed to import
ImportError: numpy.core.umath failed to import
2018-10-18 18:24:15.573678: F tensorflow/python/lib/core/bfloat16.cc:675] Check failed: PyBfloat16_Type.tp_base != nullptr
""",
    ),
    (
        'cuda-9-library',
        'lllyasviel/DanbooRegion#7',
        """
  File "/media/patient/02/ddddd/Env/lib/python3.6/imp.py", line 343, in load_dynamic
    return _load(spec)
ImportError: libcublas.so.9.0: cannot open shared object file: No such file or directory

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "segment.py", line 2, in <module>
    from ai import *
""",
    ),
    (
        'cudnn-7-library',
        'whyisyoung/CADE#2',
        """
  File "/home/anaconda3/envs/cade-gpu/lib/python3.6/site-packages/tensorflow/python/pywrap_tensorflow_internal.py", line 24, in swig_import_helper
    _mod = imp.load_module('_pywrap_tensorflow_internal', fp, pathname, description)
  File "/home/anaconda3/envs/cade-gpu/lib/python3.6/imp.py", line 343, in load_dynamic
    return _load(spec)
ImportError: libcudnn.so.7: cannot open shared object file: No such file or directory
""",
    ),
    (
        'other-cuda-library',
        'tensorflow/tensorflow#17147',
        """
ImportError: Traceback (most recent call last):
  File "/opt/conda/lib/python3.6/site-packages/tensorflow/python/pywrap_tensorflow.py", line 58, in <module>
    from tensorflow.python.pywrap_tensorflow_internal import *
ImportError: libcublas.so.8.0: cannot open shared object file: No such file or directory
""",
    ),
    (
        'driver-library',
        'thmoa/octopus#13',
        """
ImportError: libcuda.so.1: cannot open shared object file: No such file or directory
Failed to load the native TensorFlow runtime.
""",
    ),
    (
        'cudnn-version',
        'rishikksh20/vae_tacotron2#4',
        """
2019-08-13 23:13:50.199673: E tensorflow/stream_executor/cuda/cuda_dnn.cc:378] Loaded runtime CuDNN library: 7600 (compatibility version 7600) but source was compiled with 7102 (compatibility version 7100).  If using a binary install, upgrade your CuDNN library to match.
2019-08-13 23:13:50.201349: F tensorflow/core/kernels/conv_ops.cc:717] Check failed: stream->parent()->GetConvolveAlgorithms( conv_parameters.ShouldIncludeWinogradNonfusedAlgo<T>(), &algorithms)
""",
    ),
    (
        'cudnn-version',
        'tensorflow/tensorflow#41091',
        'Loaded runtime CuDNN library: 7.3.1 but source was compiled with: 7.5.0.',
    ),
    (
        'cudnn-handle',
        'stephen-v/tensorflow_alexnet_classify#4',
        """
2019-01-23 21:21:11.073710: E tensorflow/stream_executor/cuda/cuda_dnn.cc:455] could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED
2019-01-23 21:21:11.073913: E tensorflow/stream_executor/cuda/cuda_dnn.cc:463] possibly insufficient driver version: 384.145.0
2019-01-23 21:21:11.073943: F tensorflow/core/kernels/conv_ops.cc:713] Check failed: stream->parent()->GetConvolveAlgorithms( conv_parameters.ShouldIncludeWinogradNonfusedAlgo<T>(), &algorithms)
Aborted
""",
    ),
    (
        'blas-gemm',
        'YudongGuo/AD-NeRF#132',
        """
 failed to run cuBLAS routine: CUBLAS_STATUS_EXECUTION_FAILED
Traceback (most recent call last):
  File "/root/miniconda3/envs/adnerf/lib/python3.7/site-packages/tensorflow_core/python/client/session.py", line 1443, in _call_tf_sessionrun
    run_metadata)
tensorflow.python.framework.errors_impl.InternalError: 2 root error(s) found.
  (0) Internal: Blas GEMM launch failed : a.shape=(15998, 494), b.shape=(494, 2048), m=15998, n=2048, k=494
	 [[{{node deepspeech/MatMul}}]]
""",
    ),
    (
        'blas-gemm',
        'tensorflow/tensorflow#44832',
        '`(0) Internal: Blas xGEMM launch failed : a.shape=[1,20000,3], b.shape=[1,3,20000], m=20000, n=20000, k=3`',
    ),
    (
        'driver-too-old',
        'liuwei16/ALFNet#4',
        'tensorflow.python.framework.errors_impl.InternalError: cudaGetDevice() failed. Status: CUDA driver version is '
        'insufficient for CUDA runtime version',
    ),
    (
        'cuinit',
        'tensorflow/tensorflow#40920',
        '> 2020-06-29 14:30:40.010427: E tensorflow/stream_executor/cuda/cuda_driver.cc:406] failed call to cuInit: '
        'CUDA_ERROR_NO_DEVICE',
    ),
    (
        'no-kernel-image',
        'gsethi2409/tf-pose-estimation#3',
        r'2020-08-01 03:45:09.105836: F .\tensorflow/core/kernels/conv_2d_gpu.h:710] Non-OK-status: GpuLaunchKernel( '
        'SwapDimension1And2InTensor3UsingTiles<T, NumThreads>, total_tiles_count, NumThreads, 0, d.stream(), input, '
        'input_dims, output) status: Internal: no kernel image is available for execution on the device',
    ),
    (
        'illegal-instruction',
        'tensorflow/tensorflow#62342',
        """
root@d87518e6c38b:/# python3
Python 3.10.12 (main, Jun 11 2023, 05:26:28) [GCC 11.4.0] on linux
>>> import tensorflow as tf
Illegal instruction (core dumped)
""",
    ),
    (
        'manifest-unknown',
        'real-stanford/cloth-funnels#5',
        """
 > [internal] load metadata for registry.example/nvidia/cuda:9.2-devel-ubuntu18.04:
------
   3 | >>> FROM nvidia/cuda:9.2-devel-ubuntu18.04
--------------------
ERROR: failed to solve: nvidia/cuda:9.2-devel-ubuntu18.04: registry.example/nvidia/cuda:9.2-devel-ubuntu18.04: not found
""",
    ),
    (
        'manifest-unknown',
        'NVIDIA/nvidia-docker#1768',
        """
STEP 1/26: FROM registry.example/nvidia/cuda:10.2-cudnn7-devel-ubuntu18.04
Trying to pull registry.example/nvidia/cuda:10.2-cudnn7-devel-ubuntu18.04...
Error: error creating build container: initializing source docker://nvidia/cuda:10.2-cudnn7-devel-ubuntu18.04: reading manifest 10.2-cudnn7-devel-ubuntu18.04 in registry.example/nvidia/cuda: manifest unknown: manifest unknown
""",
    ),
    (
        'docker-gpus',
        'OpenBMB/XAgent#273',
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].\n'
        'ERRO[0000] error waiting for container:  ',
    ),
    (
        'glibc',
        'hughperkins/tf-coriander#27',
        "`ImportError: /lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.23' not found (required by "
        '/home/bixian/.virtualenvs/tensorflow2/lib/python3.4/site-packages/tensorflow/python/_pywrap_tensorflow.so)`',
    ),
    (
        'placeholder',
        'tkwoo/anogan-keras#7',
        "tensorflow.python.framework.errors_impl.InvalidArgumentError: You must feed a value for placeholder tensor 'batch_normalization_1/keras_learning_phase' with dtype bool",
    ),
    (
        'placeholder',
        'LiuzmNUDT/DNN-DOA#3',
        r"""
tensorflow.python.framework.errors_impl.InvalidArgumentError: 2 root error(s) found.
  (0) Invalid argument: You must feed a value for placeholder tensor 'Placeholder' with dtype float and shape [?,90]
	 [[node Placeholder (defined at \CNN\Code\Python_CNN\ensemble_model.py:12) ]]
	 [[concat/_1]]
0 successful operations.
0 derived errors ignored.
""",
    ),
    (
        'checking-target',
        'keras-team/keras#8755',
        'Error when checking target: expected dense_2 to have shape (None, 1) but got array with shape (3230, 7)',
    ),
    (
        'checking-target',
        'yongzhuo/Keras-TextClassification#59',
        r"""
Traceback (most recent call last):
  File "D:/PycharmProjects/pythonProject/Keras-TextClassification-master/keras_textclassification/m13_CapsuleNet/train.py", line 93, in <module>
    train(rate=1)
  File "D:\Anaconda\envs\py36\lib\site-packages\keras\engine\training_utils.py", line 138, in standardize_input_data
    str(data_shape))
ValueError: Error when checking target: expected dense_1 to have shape (1,) but got array with shape (17,)
""",
    ),
    (
        'cannot-pickle',
        'matterport/Mask_RCNN#1126',
        """
**logs for can't pickle _thread.RLock objects**
Traceback (most recent call last):
  File "custom.py", line 309, in <module>
    train(model)
  File "/home/hasmeet/.conda/envs/ai_maskrcnn/lib/python3.6/site-packages/keras/callbacks.py", line 457, in on_epoch_end
    model_json = self.model.to_json()
""",
    ),
    (
        'not-hdf5',
        'asingh33/CNNGestureRecognizer#40',
        r"""
  File "C:\Users\Raghu\AppData\Local\Programs\Python\Python36\lib\site-packages\h5py\_hl\files.py", line 170, in make_fid
    fid = h5f.open(name, flags, fapl=fapl)
  File "h5py\_objects.pyx", line 54, in h5py._objects.with_phil.wrapper
  File "h5py\h5f.pyx", line 85, in h5py.h5f.open
OSError: Unable to open file (file signature not found)
""",
    ),
    (
        'not-hdf5',
        'imatge-upc/detection-2016-nipsws#7',
        """
  File "/home/master/05/liyi9487/.local/lib/python2.7/site-packages/h5py/_hl/files.py", line 92, in make_fid
    fid = h5f.open(name, flags, fapl=fapl)
IOError: Unable to open file (File signature not found)
""",
    ),
    (
        'not-hdf5',
        'fchollet/deep-learning-models#64',
        """
  File "h5py/h5f.pyx", line 76, in h5py.h5f.open (/tmp/pip-build-eziK5R/h5py/h5py/h5f.c:1811)
IOError: Unable to open file (Unable to find a valid file signature)
""",
    ),
    (
        'inbound-nodes',
        'keras-team/keras#10491',
        """
node = layer._inbound_nodes[node_index]
AttributeError: 'NoneType' object has no attribute '_inbound_nodes'
""",
    ),
    (
        'oom',
        'santi-pdp/segan#42',
        'ResourceExhaustedError (see above for traceback): OOM when allocating tensor with shape[100,4096,32]',
    ),
    (
        'oom',
        'google/seq2seq#322',
        'ResourceExhaustedError: OOM when allocating tensor of shape [171164,200] and type float',
    ),
    (
        'no-such-device',
        'LiyaoTang/contrastBoundary#16',
        """
    tf_session.ExtendSession(self._session)
tensorflow.python.framework.errors_impl.InvalidArgumentError: Cannot assign a device for operation gpu_0/model/resnet_backbone/res1_input_conv/L2Loss: {{node gpu_0/model/resnet_backbone/res1_input_conv/L2Loss}}was explicitly assigned to /device:GPU:0 but available devices are [ /job:localhost/replica:0/task:0/device:CPU:0, /job:localhost/replica:0/task:0/device:XLA_CPU:0 ]. Make sure the device specification refers to a valid device.
         [[gpu_0/model/resnet_backbone/res1_input_conv/L2Loss]]

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 105, in <module>
    trainer.train()
""",
    ),
    (
        'no-such-device',
        'brade31919/SRGAN-tensorflow#73',
        """
InvalidArgumentError (see above for traceback): Cannot assign a device for operation 'dicriminator_train/discriminator/discriminator_unit/dense_layer_2/dense/bias/Adam_1': Operation was explicitly assigned to /device:GPU:0 but available devices are [ /job:localhost/replica:0/task:0/cpu:0 ]. Make sure the device specification refers to a valid device.
""",
    ),
    (
        'embedding-index',
        'keras-team/keras#13922',
        """
tensorflow.python.framework.errors_impl.InvalidArgumentError: indices[6,11] = -1 is not in [0, 2000)
	 [[{{node embedding_1/embedding_lookup}}]]
""",
    ),
    (
        'embedding-index',
        'localminimum/R-net#39',
        """
> InvalidArgumentError (see above for traceback): **indices[6,4]** = 23624 is not in [0, 23624)
> 	 [[Node: embedding_1/embedding_lookup = Gather[Tindices=DT_INT32, Tparams=DT_FLOAT, _class=["loc:@embedding_1/embeddings"]](embedding_1/embeddings/read, embedding_1/Cast)]]
""",
    ),
    (
        'graph-disconnected',
        'keras-team/keras#13722',
        """
----> 1 model = Model(inputs = vgg.input,outputs=preds)

4 frames
/usr/local/lib/python3.6/dist-packages/tensorflow_core/python/keras/engine/network.py in _map_graph_network(inputs, outputs)
1819 'The following previous layers '
1820 'were accessed without issue: ' +
-> 1821 str(layers_with_complete_input))

ValueError: Graph disconnected: cannot obtain value for tensor Tensor("input_6:0", shape=(?, 224, 224, 3), dtype=float32) at layer "input_6". The following previous layers were accessed without issue: []
""",
    ),
    (
        'graph-disconnected',
        'keras-team/keras#8166',
        """
RuntimeError: Graph disconnected: cannot obtain value for tensor <tf.Variable 'Variable_2:0' shape=(1,) dtype=float32_ref> at layer "input_6". The following previous layers were accessed without issue: ['input_5', 'conv2d_11']
""",
    ),
    (
        'layer-counts',
        'deeppomf/DeepCreamPy#145',
        r"""
                    Using TensorFlow backend.
Traceback (most recent call last):
  File "decensor.py", line 198, in <module>
  File "libs\pconv_hybrid_model.py", line 238, in load
  File "site-packages\keras\engine\saving.py", line 1030, in load_weights_from_hdf5_group
ValueError: You are trying to load a weight file containing 16 layers into a model with 31 layers.
[2
  0. Definitions.
""",
    ),
    (
        'negative-dimension',
        'chasingbob/squeezenet-keras#5',
        """
    ValueError: Negative dimension size caused by subtracting 3 from 2 for 'MaxPool' (op: 'MaxPool') with input shapes: [?,2,112,96].
""",
    ),
    (
        'negative-dimension',
        'llSourcell/AI_Artist#7',
        """
tensorflow.python.framework.errors.InvalidArgumentError: Negative dimension size caused by subtracting 2 from 1

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "Network.py", line 265, in <module>
    model.add(AveragePooling2D((2, 2), strides=(2, 2)))
""",
    ),
    (
        'nan-loss',
        'manishsoni1908/Mobilenet-ssd-keras#21',
        """
WARNING:tensorflow:`epsilon` argument is deprecated and will be removed, use `min_delta` instead.
Epoch 1/10
  3/234 [..............................] - ETA: 33:37:24 - loss: 44.4110Batch 3: Invalid loss, terminating training
  4/234 [..............................] - ETA: 25:09:00 - loss: inf
""",
    ),
    (
        'nan-loss',
        'alexander-rakhlin/CNN-for-Sentence-Classification-in-Keras#7',
        """
Epoch 2/10
9595/9595 [==============================] - 1s - loss: nan - acc: 0.4117 - val_loss: nan - val_acc: 0.0000e+00
Epoch 3/10
""",
    ),
]

UNKNOWN = [
    (
        'leoxiaobin/deep-high-resolution-net.pytorch#80',
        """
Traceback (most recent call last):
  File "tools/test.py", line 130, in <module>
    main()
  File "/home/louis/Documents/DetPose/HRNet/HRPose/tools/../lib/core/loss.py", line 18, in __init__
    self.criterion = nn.MSELoss(reduction='mean')
TypeError: __init__() got an unexpected keyword argument 'reduction'
""",
    ),
    (
        'shouxieai/tensorRT_Pro#171',
        """
Traceback (most recent call last):
  File "/datav/projects/tensorRT_Pro/workspace/app_alphapose.py", line 4, in <module>
    import trtpy as tp
ImportError: libcudnn.so.8: cannot open shared object file: No such file or directory
""",
    ),
    (
        'Koziev/chatbot#14',
        """
Traceback (most recent call last):
  File "flask_service_bot.py", line 87, in <module>
    init_chatbot()
  File "flask_service_bot.py", line 40, in init_chatbot
    machine.load_models(w2v_folder, models_folder)
TypeError: load_models() missing 1 required positional argument: 'w2v_folder'
""",
    ),
    (
        'bgshih/crnn#159',
        """
Sending build context to Docker daemon  311.8kB
Step 1/11 : FROM kaixhin/cuda-torch
manifest for kaixhin/cuda-torch:latest not found: manifest unknown: manifest unknown
""",
    ),
    (
        'shivsahni/APKEnum#4',
        """
...../gibberish_detector/config.py", line 12, in <module>
    cfg = yaml.load(ymlfile)
          ^^^^^^^^^^^^^^^^^^
TypeError: load() missing 1 required positional argument: 'Loader'
""",
    ),
    (
        'dddoss/tensorflow-socher-ntn#7',
        """
Traceback (most recent call last):
  File "/Users/khurram/Development/tensorflow-socher-ntn/code/ntn.py", line 50, in inference
    e1v = tf.transpose(tf.squeeze(tf.gather(entEmbed, e1, name='e1v'+str(r)), [1]))
ValueError: squeeze_dims[0] not in [-1,1). for 'Squeeze' (op: 'Squeeze') with input shapes: [100].
""",
    ),
    (
        'keras-team/keras#9978',
        """
Traceback (most recent call last):
  File "main.py", line 15, in <module>
    from Learner import Model_Builder
  File "~\\Learner.py", line 13, in <module>
    K.clear_session()
AttributeError: module 'keras.backend' has no attribute 'clear_session'
""",
    ),
    (
        'qqwweee/keras-yolo3#677',
        r"""
Using Theano backend.
Traceback (most recent call last):
  File "E:\study\pythonNameSpace\keras-yolo3-master\yolo.py", line 45, in __init__
    self.sess = K.backend.get_session()
AttributeError: 'function' object has no attribute 'get_session'
""",
    ),
    (
        'victordibia/handtracking#38',
        r"""
Traceback (most recent call last):
  File "train.py", line 44, in <module>
    options=None),
  File "C:\Users\keshav\Anaconda3\envs\neuralnets\lib\site-packages\google\protobuf\descriptor.py", line 530, in __new__
    _message.Message._CheckCalledFromGeneratedFile()
TypeError: Descriptors should not be created directly, but only retrieved from their parent.
""",
    ),
    (
        'tensorflow/tensorflow#37943',
        """
2020-03-26 17:52:11.075640: W tensorflow/core/framework/op_kernel.cc:1651] OP_REQUIRES failed at resource_variable_ops.cc:660 : Not found: Container localhost does not exist. (Could not find resource: localhost/encoder_embedding/embeddings)
[2020-03-26 17:52:11,075] ERROR in app: Exception on / [GET]
""",
    ),
    (
        'OpenBMB/BMInf#29',
        """
/opt/conda/lib/python3.8/site-packages/cpm_kernels/library/cuda.py in checkCUStatus(error)
    214 def checkCUStatus(error : int) -> None:
    215     if error != CUDA_SUCCESS:
--> 216         raise RuntimeError("CUDA Error: %s" % cuGetErrorString(error))

RuntimeError: CUDA Error: no kernel image is available for execution on the device
""",
    ),
    (
        'keras-team/keras#13345',
        """
AttributeError: module 'yaml' has no attribute 'FullLoader'
""",
    ),
    (
        'simontomaskarlsson/CycleGAN-Keras#5',
        """
Using TensorFlow backend.
Traceback (most recent call last):
  File "main.py", line 9, in <module>
    from keras.engine.topology import Network
ImportError: cannot import name 'Network'
""",
    ),
    (
        'keras-team/keras#14180',
        """
<ipython-input-27-65e1acad3748> in <module>
----> 1 pickle.dump(learner, open('model.pkl','wb'))
      2
      3 model = pickle.load(open('model.pkl','rb'))

TypeError: cannot pickle '_thread.RLock' object
""",
    ),
    (
        'topazape/LSTM_Chem#6',
        r"""
`Exception in thread Thread-2:
Traceback (most recent call last):
  File "C:\Users\Radical\Anaconda3\envs\myenv\lib\threading.py", line 926, in _bootstrap_inner
    self.run()
  File "C:\Users\Radical\Anaconda3\envs\myenv\lib\site-packages\tensorflow_core\python\keras\utils\data_utils.py", line 748, in _run
    with closing(self.executor_fn(_SHARED_SEQUENCES)) as executor:
RuntimeError: dictionary changed size during iteration
""",
    ),
    ('tloen/alpaca-lora#280', '`OSError: [Errno 122] Disk quota exceeded`'),
]
