#!/usr/bin/env bash
# Sets avrec up on a fresh machine: environment, build, and then the job that was asked for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
Usage: ./install_nurec.sh install              environment (.venv) and avrec
       ./install_nurec.sh demo [folder]        the same, then the main job on a street we synthesise (out/demo)
       ./install_nurec.sh test [pytest args]   the same with the test tools, then linters, types and the test suite

Environment variables:
  PYTHON    interpreter to build .venv from (3.11 or 3.12; default: the first of these on PATH)
  CXX       C++17 compiler (default: c++, g++ or clang++)
TEXT
}

step="starting"
stamp=""
say() { printf '\n== %s\n' "$*"; }
begin() { step="$1"; say "$1"; }
fail() { printf '\ninstall_nurec.sh: step "%s" failed. %s\n' "$step" "$*" >&2; trap - EXIT; exit 1; }
on_exit() {
  local status=$?
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

run_tests() {
  begin "ruff"
  .venv/bin/ruff check .
  .venv/bin/ruff format --check .
  begin "mypy"
  .venv/bin/mypy
  begin "pytest"
  .venv/bin/python -m pytest -q "$@"
}

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
  -h | --help | help) usage ;;
  *)
    usage >&2
    trap - EXIT
    exit 2
    ;;
esac
