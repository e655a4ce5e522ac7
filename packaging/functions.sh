# What ./run-tests and ./quickstart share: saying, installing, building.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }

complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Prints those of the given packages that are not installed, one a line.
missing_packages() {
  local package state
  for package in "$@"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)
    [[ $state == *' ok installed' ]] || printf '%s\n' "$package"
  done
}

# Packages of services start them when they are installed. This file, where there is none yet,
# tells them not to; it is taken away again at the end, whatever the end is.
policy_file=/usr/sbin/policy-rc.d
policy_is_ours=no

forbid_service_starts() {
  [[ -e $policy_file ]] && return
  policy_is_ours=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy_file" >/dev/null
  "${as_root[@]}" chmod 755 "$policy_file"
}

allow_service_starts() {
  [[ $policy_is_ours == yes ]] || return 0
  policy_is_ours=no
  "${as_root[@]}" rm -f "$policy_file"
}

# Turns the chatter of apt-get into a line now and then; all of it goes to the file $1. (A loop and
# not awk, which may hold lines back until it has many.)
apt_progress() {
  local line total=0 done=0
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$1"
    case $line in
      *' newly installed'*)
        say "  $line"
        [[ $line =~ ([0-9]+)\ newly ]] && total=${BASH_REMATCH[1]}
        ;;
      'Setting up '*) ((++done % 20)) || say "  set up $done of $total" ;;
      E:*) say "  $line" ;;
    esac
  done
}

# install_packages NAME...: installs what is missing, as root or by sudo. Fails with the reason.
install_packages() {
  local missing log
  if ! command -v dpkg-query >/dev/null; then
    complain "dpkg-query not found: this script knows Debian and Ubuntu only"
    return 1
  fi
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    say "Packages: all $# are installed."
    return 0
  fi

  say "Packages: installing ${#missing[@]} of $# with apt: ${missing[*]}"
  as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      complain "not root, and there is no sudo. As root run: apt-get install ${missing[*]}"
      return 1
    fi
    as_root=(sudo)
  fi
  log=$(mktemp)
  forbid_service_starts
  if "${as_root[@]}" apt-get update </dev/null 2>&1 | apt_progress "$log" &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
      --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null 2>&1 |
    apt_progress "$log"; then
    allow_service_starts
    rm -f "$log"
    return 0
  fi
  allow_service_starts
  complain "apt-get failed; its last lines:"
  tail -n 15 "$log" >&2
  rm -f "$log"
  return 1
}

# Turns ninja's line for each step into one for each tenth; anything else it says is shown.
build_progress() {
  local line last=0
  while IFS= read -r line; do
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\  ]]; then
      tenth_reached built "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    else
      say "$line"
    fi
  done
}

# tenth_reached WORD STEP ALL: says so when another tenth is done. Keeps count in the caller's `last`.
tenth_reached() {
  local tenth=$(($2 * 10 / $3))
  if ((tenth > last)); then
    say "  $1 $2 of $3"
    last=$tenth
  fi
}

# What build_preset builds of a preset; empty: all of it.
build_targets=()

# build_preset NAME [OPTION...]: configures, with options for cmake, and builds build/NAME below
# the current directory.
build_preset() {
  local preset=$1 log configure compile
  shift
  mkdir -p build || return 1
  log=build/$preset-configure.log
  configure=(cmake --preset "$preset" "$@")
  if command -v ccache >/dev/null; then
    configure+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  say "Building: preset $preset, on $(nproc) cores."
  if ! "${configure[@]}" >"$log" 2>&1; then
    complain "cmake could not configure the build; $log ends with:"
    tail -n 25 "$log" >&2
    return 1
  fi
  compile=(cmake --build --preset "$preset")
  ((${#build_targets[@]} == 0)) || compile+=(--target "${build_targets[@]}")
  # NINJA_STATUS shapes the lines that build_progress reads.
  if ! NINJA_STATUS='[%f/%t] ' "${compile[@]}" 2>&1 | build_progress; then
    complain "the build failed"
    return 1
  fi
}
