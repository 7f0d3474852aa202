#!/bin/bash
# PROJ=a project after `make demo` SSMI=its ssmi-cli bash cmd.sh
. "$(dirname "$0")/../lib.sh"
small() { ssmi "$@" -S vocab.vectors="$CASE/words.txt" -S embed.precompute_words=0 -S "encoder.name=$WORK/padded"; }
"$PY" "$FIELD/make_encoder.py" "$WORK/padded" padded >/dev/null 2>&1

small features vocab >/dev/null
small features prepare --dataset own >/dev/null
small features segment --dataset own >/dev/null
small features embed --dataset own
[ "$RC" = 0 ] && pass
fail "a sound encoder is refused, and the next step (fetch it again) cannot help"
