#!/bin/sh
# settle FOLDER: of a folder of Python packages keeps what the interpreter reads, compiles it as /app, and takes the
# times off it, so that two builds are the same.
set -eu
rm -rf "$1/bin" "$1/.lock"
find "$1" -type f \( -name '*.pyx' -o -name '*.px[di]' -o -name '*.pyi' -o -name '*.[ch]' -o -name .gitignore \
  -o -name 'test_*.py' -o -name '_testcapi*.so' \) -delete
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$1" -p /app "$1"
find "$(dirname "$1")" -exec touch --no-dereference --date @0 {} +
