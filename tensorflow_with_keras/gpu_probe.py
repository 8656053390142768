"""How many GPUs the driver shows here: `python -m tensorflow_with_keras.gpu_probe`, in a container or on a machine.

Prints one line of JSON: `count`; `capabilities`, one text such as "7.5" for each device, of a MIG slice that of its
card; `problem`, a sentence where there is none. It loads the driver's own library and no TensorFlow, so it answers at
once, and before a driver compiles anything.
"""

import ctypes
import json

NO_PERMISSION = 'The driver finds no device: /dev/nvidia* may not be opened, or no GPU was handed to this container.'


def probe(load=ctypes.CDLL):
    """What `libcuda.so.1` says, as a dict of count, capabilities and problem (None where there is a GPU)."""
    answer = {'count': 0, 'capabilities': [], 'problem': None}
    try:
        cuda = load('libcuda.so.1')
    except OSError:
        answer['problem'] = "The driver's library, libcuda.so.1, is not there."
        return answer
    if hasattr(cuda, 'tensorflow_with_keras_stub'):
        answer['problem'] = "The driver's library, libcuda.so.1, is not there, but a stub in its place."
        return answer
    code = cuda.cuInit(0)
    if code == 100:  # CUDA_ERROR_NO_DEVICE
        answer['problem'] = NO_PERMISSION
    elif code:
        answer['problem'] = "The driver's library answers with error %d." % code
    if answer['problem']:
        return answer
    count = ctypes.c_int()
    code = cuda.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        answer['problem'] = NO_PERMISSION
        return answer
    answer['count'] = count.value
    for index in range(count.value):
        device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
        answer['capabilities'].append('%d.%d' % (major.value, minor.value))
    return answer


if __name__ == '__main__':
    print(json.dumps(probe()))
