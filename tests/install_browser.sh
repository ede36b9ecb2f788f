#!/bin/sh
# Installs Chromium for the browser tests where that is possible without asking anybody.
set -eu
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(uname)" = Darwin ] && [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; then exit 0; fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core >/dev/null
  exit 0
fi
echo "No Chromium was found: the browser tests will be skipped. Install it with your system's package" >&2
echo "manager (Debian: apt-get install chromium; Fedora: dnf install chromium; macOS: Google Chrome)." >&2
