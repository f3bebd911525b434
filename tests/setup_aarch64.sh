#!/bin/sh
# Installs what x86-64 Linux needs to run the kernels' aarch64 tests: Rust's target, a cross linker
# with its C library, and an emulator. Prints nothing when all is there; exit status 1 if it is not.
set -u

target=aarch64-unknown-linux-gnu
packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

has_target() {
    [ -d "$(rustc --print target-libdir --target $target)" ]
}

has_packages() {
    command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null &&
        [ -e /usr/aarch64-linux-gnu/lib/libc.so ]
}

# Debian's package manager, as root where that needs no password.
apt() {
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root="sudo -n"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}

[ "$(uname -sm)" = "Linux x86_64" ] || exit 0

has_target || rustup --quiet target add $target
# Old lists may still name packages that can be had, so a failed update is not the end.
has_packages || { apt update; apt install --no-install-recommends -y $packages; }

missing=
has_target || missing="Rust's target $target"
has_packages || missing="${missing:+$missing, }packages $packages"
[ -z "$missing" ] && exit 0
echo "setup_aarch64.sh: missing and not to be installed from here: $missing" >&2
exit 1
