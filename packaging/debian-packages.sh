# The one list of the Debian and Ubuntu packages that the scripts in the root use.
# A package that is missing here is missing on a fresh machine, so add it here first.
# shellcheck shell=bash disable=SC2034

# To build the programs.
packages_build=(
  g++ cmake ninja-build pkg-config
  libsystemd-dev libfmt-dev
)

# To run ./quickstart: the guide's service, and something to ask it with.
packages_quickstart=(
  "${packages_build[@]}"
  python3 gunicorn curl procps
)

# To run ./run-tests: unit tests, system tests, and the real services they start. Package systemd
# has systemd-tmpfiles, and starts nothing; the smaller systemd-standalone-tmpfiles would take
# systemd away from a machine that runs it.
packages_tests=(
  "${packages_quickstart[@]}"
  binutils libgtest-dev librapidcheck-dev mandoc
  python3-pytest util-linux iproute2 passwd
  nginx-light mariadb-server dbus systemd locales
  redis-server cron openssh-server rsyslog
)

# What ./run-tests --long needs besides: the fuzzers are built by clang.
packages_long=(
  "${packages_tests[@]}"
  clang-19 libclang-rt-19-dev
)

# What ./run-tests --coverage needs: clang counts, llvm-cov tells.
packages_coverage=(
  "${packages_build[@]}"
  libgtest-dev librapidcheck-dev python3
  clang-19 libclang-rt-19-dev llvm-19
)

# What ./run-tests --soak needs.
packages_soak=(
  "${packages_build[@]}"
  libgtest-dev librapidcheck-dev python3-pytest
)

# What ./run-tests --boot needs; the kernel that it starts is only unpacked (fetch_kernel).
packages_boot=(
  "${packages_build[@]}"
  libgtest-dev librapidcheck-dev python3-pytest binutils
  qemu-system-x86 busybox-static cpio apparmor
)

# What ./run-tests --bench needs.
packages_bench=(
  "${packages_build[@]}"
  libbenchmark-dev
)
