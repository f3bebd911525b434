#!/bin/sh
# Runs the kernels' tests on x86-64 processors that are not here, under the emulator Bochs.
#
# usage: tests/emulate_x86.sh [model:flag...]     without one: all of `models` below, one by one
#
# The flag, as /proc/cpuinfo spells it, must be there: without it the tests would pass on less.
#
# Needs an x86-64 Debian, or a relative with apt and Debian's keyring, g++, make and Rust. The first
# run fetches the emulator's source, a Linux kernel and busybox from Debian and builds the
# emulator: about 5 minutes. Nothing is installed; all of it lies in target/emulate_x86.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
release=trixie # the first whose Bochs has processors with AVX-VNNI
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/emulate_x86
seconds_max=600 # a model takes 35 on an idle core

# AVX-512 without VNNI; AVX-512 with it; AVX-VNNI without AVX-512; all of them.
models='corei7_skylake_x:avx512bw tigerlake:avx512_vnni arrow_lake:avx_vnni'
models="$models sapphire_rapids:avx512_vnni"

# The kernel is loaded above what it needs below itself, the initrd above what unpacking needs.
memory_mib=256
kernel_at=0x2000000
initrd_at=0x8000000
image_bytes=8388608 # Bochs loads an image into one block of memory, and has none larger

main() {
    mkdir -p "$work"
    [ -x "$work/bochs" ] || build_emulator
    [ -f "$work/vmlinuz" ] || fetch_guest
    build_images
    for model in ${*:-$models}; do
        run "${model%:*}" "${model#*:}"
    done
}

# apt with lists of its own, on the mirror that this machine uses.
apt() {
    command=$1
    shift
    "$command" -qq -o Dir::Etc::SourceList="$work/apt/sources" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

apt_update() {
    [ ! -f "$work/apt/updated" ] || return 0
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    for kind in deb deb-src; do
        echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
            "$mirror $release main"
    done >"$work/apt/sources"
    apt apt-get update
    touch "$work/apt/updated"
}

build_emulator() {
    apt_update
    rm -rf "$work/source"
    mkdir -p "$work/source"
    cd "$work/source"
    echo "emulate_x86.sh: building Bochs, once" >&2
    apt apt-get source --tar-only bochs
    tar -xf bochs_*.orig.tar.*
    cd bochs-*/
    {
        CFLAGS=-O2 CXXFLAGS='-O2 -w' ./configure --with-nogui --enable-all-optimizations \
            --enable-cpu-level=6 --enable-x86-64 --enable-avx --enable-evex \
            --enable-protection-keys --disable-logging --disable-docbook
        make bochs
    } >"$work/build.log" 2>&1 || fail "Bochs did not build; see $work/build.log"
    mv bochs "$work/bochs"
    cd "$here/.."
    rm -rf "$work/source"
}

fetch_guest() {
    apt_update
    rm -rf "$work/guest"
    mkdir -p "$work/guest"
    cd "$work/guest"
    kernel=$(apt apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
    apt apt-get download "$kernel" busybox-static
    for package in *.deb; do
        dpkg-deb -x "$package" .
    done
    find . -name busybox -type f -perm -u+x -exec cp {} "$work/busybox" \;
    cp boot/vmlinuz-* "$work/vmlinuz"
    cd "$here/.."
    rm -rf "$work/guest"
}

# The tests in an initrd, the kernel in pieces, the ROM that starts it.
build_images() {
    # Linked statically: the guest has no libraries. With a target named, build scripts are not.
    RUSTFLAGS='-C target-feature=+crt-static' cargo test --locked --no-run \
        --package lookback-kernels --lib --tests --target x86_64-unknown-linux-gnu \
        --message-format json >"$work/cargo.json"
    rm -rf "$work/tree" "$work"/kernel.? "$work"/initrd.?
    mkdir -p "$work/tree/tests" "$work/tree/proc" "$work/tree/dev"
    for test in $(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$work/cargo.json"); do
        strip -o "$work/tree/tests/$(basename "$test")" "$test"
    done
    cp "$work/busybox" "$work/tree/busybox"
    cp "$here/emulate_x86/init" "$work/tree/init"
    cd "$work"
    (cd tree && find . | "$work/busybox" cpio -o -H newc 2>/dev/null) | gzip -1 >initrd
    split -d -a 1 -b $image_bytes initrd initrd.
    setup_sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 vmlinuz)
    tail -c +$(((setup_sectors + 1) * 512 + 1)) vmlinuz | split -d -a 1 -b $image_bytes - kernel.
    [ ! -e kernel.2 ] && [ ! -e initrd.2 ] || fail "kernel or initrd exceeds two memory images"
    # Bit 580 is FSRM: a kernel that uses it hangs in Bochs. reboot=t ends by a triple fault.
    command_line="quiet console=ttyS0 acpi=off pci=off nolapic nokaslr mitigations=off"
    command_line="$command_line tsc=reliable clearcpuid=580 panic=-1 reboot=t"
    cc -c -o boot.o -DKERNEL=$kernel_at -DINITRD=$initrd_at -DINITRD_SIZE="$(stat -c %s initrd)" \
        -DMEMORY="($memory_mib << 20)" -DCOMMAND_LINE="\"$command_line\"" \
        "$here/emulate_x86/boot.S"
    ld -Ttext=0xf0000 -e 0 --oformat binary -o boot.rom boot.o
    truncate -s 512 vga.rom # Bochs asks for one
    cd "$here/.."
}

# Prints the tests' output; fails unless the guest has the flag and reports that all passed.
run() {
    cd "$work"
    rm -f serial.txt
    {
        echo "config_interface: textconfig"
        echo "display_library: nogui"
        echo "romimage: file=boot.rom"
        echo "vgaromimage: file=vga.rom"
        echo "cpu: model=$1, ips=20000000, reset_on_triple_fault=0, ignore_bad_msrs=1"
        echo "memory: guest=$memory_mib, host=$memory_mib, block_size=$((image_bytes / 1024))"
        number=0
        for part in kernel.? initrd.?; do
            number=$((number + 1))
            case $part in
            kernel.*) address=$((kernel_at + ${part#*.} * image_bytes)) ;;
            initrd.*) address=$((initrd_at + ${part#*.} * image_bytes)) ;;
            esac
            echo "optramimage$number: file=$part, address=$(printf '0x%x' $address)"
        done
        echo "com1: enabled=1, mode=file, dev=serial.txt"
        echo "log: bochs.log"
        echo "info: action=ignore"
        echo "panic: action=fatal"
        echo "clock: sync=none"
    } >bochsrc
    # The guest ends by a triple fault, which stops Bochs with an error: its status says nothing.
    timeout $seconds_max ./bochs -q -f bochsrc </dev/null >bochs.out 2>&1 || true
    cd "$here/.."
    echo "--- $1"
    [ -f "$work/serial.txt" ] || fail "$1 does not start; see $work/bochs.out"
    tr -d '\r' <"$work/serial.txt" >"$work/serial.unix"
    grep -v '^\[' "$work/serial.unix" || true
    grep -q "^flags: .* $2 " "$work/serial.unix" || fail "$1 has no $2, or did not start"
    grep -q '^tests passed$' "$work/serial.unix" || fail "$1 failed, or took $seconds_max seconds"
}

fail() {
    echo "emulate_x86.sh: $1" >&2
    exit 1
}

main "$@"
