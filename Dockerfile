# Keras 2.2.4 on TensorFlow 1.9.0, for GPUs by CUDA 9.0 and cuDNN 7. Every byte comes by digest or by hash: the base images,
# the wheels of requirements/gpu.txt, NVIDIA's libraries as docker/cuda.pins names them. Nothing is installed from an
# archive that moves. What Dockerfile.cpu does too is done by the same scripts in docker/, and a test compares the rest.
#
# Stages to build (--target):
#   runtime  what runs recipes: no compiler, no package cache, no headers, no test folders, byte-compiled
#   test     runtime and the project's tests
#   distributed, distributed_test   the same two with Horovod in addition
#
# Build arguments: RUNTIME_BASE, an image with Python 3.6 in /usr/local, and BUILDER_BASE, the same with pip 21,
# g++ and make, each in the place of the pinned one. CUDA_LIBS, an image that has the CUDA libraries in
# /usr/local/cuda-9.0/lib64 (TensorFlow's own 1.9.0 GPU image has), instead of fetching them from NVIDIA.
# Secret: ca, a CA bundle, where pip must pass a proxy that opens TLS.

ARG RUNTIME_BASE=python:3.6-slim@sha256:2cfebc27956e6a55f78606864d91fe527696f9e32a724e6f9702b5f9602d0474
ARG BUILDER_BASE=python:3.6@sha256:f8652afaf88c25f0d22354d547d892591067aa4026a7fa9a6819df9f300af6fc
# the base has no CUDA libraries, which means: fetch them
ARG CUDA_LIBS=${RUNTIME_BASE}
FROM --platform=linux/amd64 ${CUDA_LIBS} AS given
FROM --platform=linux/amd64 ${RUNTIME_BASE} AS runtime_base
FROM --platform=linux/amd64 ${BUILDER_BASE} AS builder_base

# --- NVIDIA's libraries: only those that TensorFlow 1.9 loads, and their licences
FROM builder_base AS cuda
COPY docker/cuda docker/fetch docker/cuda.pins /build/
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt --mount=type=bind,from=given,target=/given \
    /build/cuda /given /cuda

# --- the locked packages, in a folder of their own
FROM builder_base AS site
ARG SOURCE_DATE_EPOCH=1546300800
COPY requirements/gpu.txt docker/install_packages docker/dot docker/normalize_tree /build/
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt /build/install_packages /build/gpu.txt /opt/tfk
# What the base lacks for TensorFlow's GPU build: libgomp, and where no driver is mounted the driver's library, and CUPTI,
# without which a run that is traced would end the process.
COPY docker/stub /build/
RUN tensorflow=/opt/tfk/lib/python3.6/site-packages/tensorflow && mkdir -p /driver/lib64 /driver/stub \
 && cp -L "$(find /usr/lib -name libgomp.so.1 | head -n 1)" /driver/lib64/ \
 && set -- $tensorflow/libtensorflow_framework.so $tensorflow/python/_pywrap_tensorflow_internal.so \
 && /build/stub /driver/stub/libcuda.so.1 '' 'cu[A-Z]' 100 "$@" \
 && /build/stub /driver/stub/libcupti.so.9.0 '' 'cupti[A-Z]' 0 "$@"

# --- this project, apart from the packages so that an edited recipe rebuilds in seconds
FROM builder_base AS project
ARG SOURCE_DATE_EPOCH=1546300800
COPY docker/normalize_tree /build/
COPY LICENSE /rootfs/opt/tensorflow-with-keras/
COPY tensorflow_with_keras /rootfs/opt/tensorflow-with-keras/tensorflow_with_keras
COPY examples /rootfs/opt/tensorflow-with-keras/examples
COPY docker/entrypoint /rootfs/opt/tensorflow-with-keras/
# /work is where a container without a mount writes, whoever it runs as
RUN chmod +x /rootfs/opt/tensorflow-with-keras/entrypoint && /build/normalize_tree /rootfs/opt /opt && mkdir -m 1777 /rootfs/work

FROM runtime_base AS runtime
LABEL org.opencontainers.image.title="tensorflow-with-keras (GPU)" \
      org.opencontainers.image.description="Keras 2.2.4 on TensorFlow 1.9.0, pinned and tested, with recipes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.2.0" \
      tensorflow-gpu="1.9.0" keras="2.2.4" numpy="1.16.2" scipy="1.2.3" scikit-learn="0.20.4" h5py="2.10.0"
# HOME: Keras and matplotlib want to write there, and /tmp is what a read-only container has. Threads, seeds and the
# rest stay the recipes' own business.
ENV PATH=/opt/tfk/bin:$PATH \
    PYTHONPATH=/opt/tfk/lib/python3.6/site-packages:/opt/tensorflow-with-keras \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp KERAS_BACKEND=tensorflow MPLBACKEND=Agg TF_CPP_MIN_LOG_LEVEL=1
# What the NVIDIA container toolkit reads, and where some clusters mount the driver instead.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility NVIDIA_REQUIRE_CUDA="cuda>=9.0" \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64
COPY --from=cuda /cuda /usr/local/cuda-9.0
COPY --from=site /driver /usr/local/cuda-9.0
# ldconfig's own notes hold inode numbers, so no two builds would be the same
RUN echo /usr/local/cuda-9.0/lib64 > /etc/ld.so.conf.d/cuda-9-0.conf && ldconfig && rm -rf /var/cache/ldconfig
COPY --from=site /opt/tfk /opt/tfk
COPY --from=project /rootfs/ /
# What this was built from, by which scripts/front-door sees whether to build again. The empty RUN is for Buildah, whose
# cache does not ask for the value of an argument in a LABEL.
ARG INPUTS
RUN : "${INPUTS}"
LABEL inputs="${INPUTS}"
WORKDIR /work
USER 1000:1000
ENTRYPOINT ["/opt/tensorflow-with-keras/entrypoint"]
CMD ["python", "-m", "tensorflow_with_keras"]

# --- Horovod, against the TensorFlow above and its headers. By Gloo alone: it needs neither MPI nor NCCL, which are not in
# these images, nor ssh where all ranks run in one container.
FROM site AS horovod
ARG SOURCE_DATE_EPOCH=1546300800
# what TensorFlow's GPU build cannot be imported without
ENV LD_LIBRARY_PATH=/cuda/lib64:/driver/lib64:/driver/stub
COPY requirements/distributed.txt requirements/distributed_build.txt docker/build_horovod /build/
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt --mount=type=bind,from=cuda,source=/cuda,target=/cuda \
    export PYTHONPATH=/opt/tfk/lib/python3.6/site-packages && ln -s /opt/tfk-headers $PYTHONPATH/tensorflow/include \
 && /build/build_horovod /build /opt/horovod && /build/normalize_tree /opt/horovod

FROM runtime AS distributed
LABEL horovod="0.19.5"
ENV PATH=/opt/horovod/bin:$PATH PYTHONPATH=${PYTHONPATH}:/opt/horovod/lib/python3.6/site-packages
COPY --from=horovod /opt/horovod /opt/horovod

# --- the tests, never in what is published
FROM builder_base AS tests
COPY requirements/test.txt docker/install_packages /build/
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt /build/install_packages /build/test.txt /rootfs/opt/tfk-test keep
COPY pyproject.toml /rootfs/opt/tensorflow-with-keras/
COPY tests/conftest.py /rootfs/opt/tensorflow-with-keras/tests/
COPY tests/gpu /rootfs/opt/tensorflow-with-keras/tests/gpu
COPY tests/library /rootfs/opt/tensorflow-with-keras/tests/library
COPY tests/recipes /rootfs/opt/tensorflow-with-keras/tests/recipes

FROM runtime AS test
ENV PYTHONPATH=${PYTHONPATH}:/opt/tfk-test/lib/python3.6/site-packages
COPY --from=tests /rootfs/ /
WORKDIR /opt/tensorflow-with-keras
CMD ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "tests/library", "tests/recipes"]

FROM distributed AS distributed_test
ENV PYTHONPATH=${PYTHONPATH}:/opt/tfk-test/lib/python3.6/site-packages
COPY --from=tests /rootfs/ /
WORKDIR /opt/tensorflow-with-keras
CMD ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "tests/library", "tests/recipes"]
