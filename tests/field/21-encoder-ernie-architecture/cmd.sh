#!/bin/bash
# PROJ=a project after `make demo` SSMI=its ssmi-cli bash cmd.sh
. "$(dirname "$0")/../lib.sh"
small() { ssmi "$@" -S vocab.vectors="$CASE/words.txt" -S embed.ahead=0 -S "encoder.name=$WORK/ernie3"; }
"$PY" "$FIELD/make_encoder.py" "$WORK/ernie3" ernie3 >/dev/null 2>&1

small features vocab >/dev/null
small features prepare --dataset own >/dev/null
small features segment --dataset own >/dev/null
small features embed --dataset own
refused && pass
"$PY" - "$WORK/ernie3" <<'PYTHON' 2>/dev/null
import sys, torch, transformers as t
from pathlib import Path
ids = torch.tensor([[2, 5, 6, 7, 3]])
with torch.no_grad():
    own = t.ErnieModel.from_pretrained(sys.argv[1], add_pooling_layer=False).eval()(input_ids=ids).last_hidden_state
    as_bert = t.BertModel.from_pretrained(sys.argv[1], add_pooling_layer=False).eval()(input_ids=ids).last_hidden_state
print(f"states of the encoder's own class and of BertModel differ by up to {(own - as_bert).abs().max():.2f}")
PYTHON
fail "features were built with an ERNIE read as a BERT: its task embeddings are left out without a word; train refuses it after all features are built, and with model.encoder=frozen never"
