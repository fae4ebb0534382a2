#!/bin/sh
# Prints a Python 3.13: PYTHON, or else one of uv's, which uv downloads if it has none.
is_wanted='import sys; sys.exit(sys.version_info[:2] != (3, 13))'

if "$PYTHON" -c "$is_wanted" 2>/dev/null; then
    printf '%s\n' "$PYTHON"
    exit
fi
if [ "$PYTHON" = python3.13 ] && command -v uv >/dev/null; then
    found=$(uv python find --no-project 3.13 2>/dev/null) || {
        echo 'There is no Python 3.13 here: uv downloads one from the internet ...' >&2
        uv python install 3.13 >&2 && found=$(uv python find --no-project 3.13)
    }
    if [ -n "$found" ] && "$found" -c "$is_wanted"; then
        printf '%s\n' "$found"
        exit
    fi
fi
echo 'Python 3.13 is needed: install it, or name it with "make PYTHON=/path/to/python3.13 ..."' >&2
exit 1
