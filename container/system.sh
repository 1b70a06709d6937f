#!/bin/sh
# What the container images need of Debian: a Python with an environment of its own, and a user who is
# not root. Run as root in a fresh Debian 12, by both recipes and by test.sh.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates >/dev/null
python3 -m venv /opt/sct-deepseg-general
useradd --create-home --shell /usr/sbin/nologin sct
mkdir -p /data
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* /usr/share/doc/* \
  /usr/share/man/* /usr/share/locale/* /usr/share/python-wheels
