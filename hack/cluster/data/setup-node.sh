#!/bin/sh
# Runs once inside the node image's root file system and makes of plain Debian what kind expects of a node: what the Dockerfile of
# kind's own base image does, less what needs a network.
set -eu

rm -f /lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/*
rm -f /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/basic.target.wants/*
rm -f /lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl*
echo "ReadKMsg=no" >> /etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd /sbin/init
systemctl enable kubelet.service containerd.service undo-mount-hacks.service import-images.service
systemctl mask systemd-binfmt.service
# A new machine id per node, as kind's entrypoint expects to make one.
: > /etc/machine-id

mkdir -p /etc/kubernetes/manifests /opt/cni/bin
ln -sf /usr/lib/cni/* /opt/cni/bin/
ctr oci spec \
  | jq '.hooks.createContainer[.hooks.createContainer| length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' \
  | jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json
# Where nobody may lower an OOM score, asking for it must not fail every container.
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml
