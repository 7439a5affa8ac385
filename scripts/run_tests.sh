#!/usr/bin/env bash
# Runs pytest with the given interpreter and arguments; windows open on a virtual display where
# there is none. As root on Debian the display is installed first.
set -uo pipefail

python=$1
shift
# Several test processes, and several of this script: no thread may spin while it waits.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# numba, which napari's labels load, would set torch's number of threads to its own.
export NUMBA_NUM_THREADS="${NUMBA_NUM_THREADS:-1}"
# Only these plugins of pytest: it would load those of every installed package, and rewrite the
# asserts in all their modules.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
plugins="xdist.plugin,pytest_timeout,pytestqt.plugin,napari.utils._testsupport"
export PYTEST_PLUGINS="$plugins,_hypothesis_pytestplugin${PYTEST_PLUGINS:+,$PYTEST_PLUGINS}"
packages="xvfb xauth libgl1-mesa-dri libegl1 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
libxcb-render-util0 libxcb-xinerama0 libxcb-shape0 libxcb-cursor0 libxkbcommon-x11-0 libdbus-1-3"
packages=$(echo $packages)

if [ "$(uname)" != Linux ] || [ -n "${DISPLAY:-}" ]; then
    exec "$python" -m pytest "$@"
fi

missing() {
    ! command -v xvfb-run >/dev/null || { command -v dpkg >/dev/null && ! dpkg -s $packages >/dev/null 2>&1; }
}

if missing && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing a virtual display: $packages"
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages; } >/dev/null; then
        echo "The virtual display could not be installed, so windows cannot be tested." >&2
        exit 1
    fi
fi

if command -v xvfb-run >/dev/null; then
    exec xvfb-run -a -s "-screen 0 1600x1000x24" "$python" -m pytest "$@"
fi

"$python" -m pytest "$@"
status=$?
count=$("$python" -m pytest -m gui --collect-only -q 2>/dev/null | grep -c "::")
echo "$count tests of windows were skipped, because there is no display. Install one with:"
echo "  sudo apt-get install $packages"
exit $status
