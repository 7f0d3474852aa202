#!/bin/bash
# PROJ=a project after `make demo` SSMI=its ssmi-cli bash cmd.sh
. "$(dirname "$0")/../lib.sh"
small() { ssmi "$@" -S vocab.vectors="$CASE/words.txt" -S embed.precompute_words=0 -S "encoder.name=$WORK/hfl"; }
"$PY" "$FIELD/make_encoder.py" "$WORK/hfl" bin >/dev/null 2>&1

small features vocab >/dev/null
small features prepare --dataset own >/dev/null
small features segment --dataset own >/dev/null
small features embed --dataset own
[ "$RC" = 0 ] && pass
refused && says "pickle" && says "convert" && pass
refused && missing "refused as a pickle, and nothing says how to go on"
fail "neither read nor refused"
