#!/bin/sh
# What the recipes of the container images and the test of a fresh environment do alike: install the
# package and its pinned dependencies, without torch, and leave out what segmenting on a CPU does not
# need. OpenVINO's readers of other formats and its plugins for GPUs and NPUs are removed, and so are
# the test suites of the dependencies.
#
#   container/install.sh PYTHON PROJECT_FOLDER
set -eu
PYTHON="$1"
PIP="$PYTHON -m pip install -q --no-cache-dir --no-compile --disable-pip-version-check --no-deps"
cd "$2"

$PIP --require-hashes -r requirements/run.lock
$PIP --no-build-isolation .

SITE="$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
for PART in intel_gpu_plugin intel_npu_plugin intel_npu_compiler hetero_plugin auto_batch_plugin auto_plugin \
  pytorch_frontend tensorflow_frontend tensorflow_lite_frontend paddle_frontend onnx_frontend jax_frontend; do
  rm -f "$SITE"/openvino/libs/*"$PART"*
done
rm -f "$SITE"/openvino/libs/cache.json
find "$SITE" -depth -type d -name tests -not -path "*/sct_deepseg_general/*" -exec rm -rf {} +
find "$SITE" -depth -type d -name __pycache__ -exec rm -rf {} +

# The commands are started anew for each image, so what they import is compiled once and for all.
cd "$SITE"
"$PYTHON" -m compileall -q sct_deepseg_general click numpy nibabel openvino yaml PIL dateutil \
  scipy/ndimage scipy/interpolate scipy/spatial scipy/special
rm -rf pip pip-*.dist-info setuptools setuptools-*.dist-info
