#!/bin/sh
# Stands in for `python -m pip` in the tests, which call it through a link: copies the wheel of a
# package from the folder `wheels` beside that link. The package `hang==1` never arrives.
base=$(dirname "$0")
[ "$1 $2" = "-m pip" ] || exit 2
[ "$3" = "--version" ] && exit 0
while [ "$1" != "--dest" ]; do
    shift
done
dest=$2 package=$3
if [ "$package" = "hang==1" ]; then
    exec sleep 600
elif [ -f "$base/wheels/$package.whl" ]; then
    cp "$base/wheels/$package.whl" "$dest"
else
    echo "ERROR: could not find a version" >&2
    echo "ERROR: no matching distribution found for $package" >&2
    exit 1
fi
