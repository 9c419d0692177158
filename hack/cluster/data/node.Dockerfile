# The node image: a Debian root file system, kind's own files and the project's, in one layer. rootfs.tar and files/ are laid in the
# build's context by nodeimage.py.
FROM scratch
ADD rootfs.tar /
COPY files/ /
RUN /bin/sh /kind/setup-node.sh
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
