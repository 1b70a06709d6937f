#!/usr/bin/env bash
# The steps of the container images without a builder: a fresh Debian 12 in a folder (debootstrap), in
# which system.sh and install.sh run as in the recipes. Then the commands run there as the user sct:
# the sample image and a BIDS App of one participant. Prints the size; fails above LIMIT megabytes.
#
#   sudo bash container/test.sh [FOLDER]       (needs debootstrap; LIMIT=500, KEEP=1 keeps the folder)
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PROJECT="$(dirname "$HERE")"
ROOT="${1:-$(mktemp -d)/root}"
LIMIT="${LIMIT:-500}"
MIRROR="${MIRROR:-$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
  sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' | head -1)}"

finish() {
  umount "$ROOT/proc" 2>/dev/null || true
  [[ "${KEEP:-0}" == 1 ]] || rm -rf --one-file-system "$ROOT"
}
trap finish EXIT

mkdir -p "$(dirname "$ROOT")"
[[ -d "$ROOT/usr" ]] || debootstrap --variant=minbase bookworm "$ROOT" "$MIRROR" >"$ROOT.log" || {
  tail -5 "$ROOT.log"
  exit 1
}
# The network settings of this machine, for apt and pip; removed before the size is taken.
SETTINGS=(/etc/resolv.conf /etc/pip.conf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d)
SETTINGS+=(/etc/ssl/certs /usr/local/share/ca-certificates)
for PLACE in "${SETTINGS[@]}"; do
  if [[ -e "$PLACE" ]]; then mkdir -p "$ROOT$(dirname "$PLACE")" && cp -rL "$PLACE" "$ROOT$(dirname "$PLACE")"; fi
done

mkdir -p "$ROOT/src"
tar -C "$PROJECT" --exclude=__pycache__ -c container requirements sct_deepseg_general model_zoo pyproject.toml \
  setup.py README.md LICENSE | tar -C "$ROOT/src" -x
inside() { chroot "$ROOT" /usr/bin/env -u PYTHONPATH "$@"; }
inside sh /src/container/system.sh
inside sh /src/container/install.sh /opt/sct-deepseg-general/bin/python /src
rm -rf "$ROOT/src" "$ROOT"/etc/{pip.conf,resolv.conf} "$ROOT/usr/local/share/ca-certificates"

SIZE="$(du -sm --exclude=./proc --exclude=./sys "$ROOT" | cut -f1)"
PACKAGE="$(du -sm "$ROOT/opt/sct-deepseg-general" | cut -f1)"
echo "size: $SIZE MB, of which $PACKAGE MB are the environment with the models"

mount --bind /proc "$ROOT/proc" # as a container has one; OpenVINO reads the number of cores there
mkdir -p "$ROOT/data/bids/sub-sct/anat"
cp "$PROJECT/tests/data/sub-sct/anat/sub-sct_T2w.nii.gz" "$ROOT/data/t2.nii.gz"
cp "$PROJECT"/tests/data/sub-sct/anat/*MTS.nii.gz "$ROOT/data/bids/sub-sct/anat/"
cp "$PROJECT/tests/data/dataset_description.json" "$ROOT/data/bids/"
chroot "$ROOT" chown -R sct /data
user() {
  chroot --userspec=sct:sct "$ROOT" /usr/bin/env -i HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" PATH=/opt/sct-deepseg-general/bin:/usr/bin:/bin "$@"
}
user python -c 'import importlib.util as u; assert not u.find_spec("torch"), "torch is inside"'
user sct_deepseg_sc_general -i /data/t2.nii.gz -qc /data/qc -c2c3
user sct-deepseg-general /data/bids /data/out participant --participant-label sct --n-cpus 1
user sct-deepseg-general /data/bids /data/out group
user sct-deepseg-general --version
test -s "$ROOT/data/out/images.tsv"
[[ "$SIZE" -lt "$LIMIT" ]] || { echo "larger than $LIMIT MB"; exit 1; }
echo "passed"
