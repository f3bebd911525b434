#!/bin/sh
# Installs the browser that the page is tested in, from Debian's packages. Prints nothing when it is
# there; exit status 1 if it is not.
set -u

has_browser() {
    [ -n "${CHROMIUM:-}" ] || [ -e /usr/bin/chromium ]
}

# Debian's package manager, as root where that needs no password.
apt() {
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root="sudo -n"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}

has_browser && exit 0
if command -v apt-get >/dev/null; then
    # Letters too: a machine without a screen may have none.
    apt update
    apt install --no-install-recommends -y chromium fonts-dejavu-core
fi
has_browser && exit 0
echo "setup_chromium.sh: /usr/bin/chromium is missing and not to be installed from here; CHROMIUM may name another" >&2
exit 1
