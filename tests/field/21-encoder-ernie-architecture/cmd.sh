#!/bin/bash
# PROJ=a project after `make demo` SSMI=its ssmi-cli bash cmd.sh
. "$(dirname "$0")/../lib.sh"
small() { ssmi "$@" -S vocab.vectors="$CASE/words.txt" -S embed.precompute_words=0 -S "encoder.name=$WORK/ernie3"; }
"$PY" "$FIELD/make_encoder.py" "$WORK/ernie3" ernie3 >/dev/null 2>&1

small features vocab >/dev/null
small features prepare --dataset own >/dev/null
small features segment --dataset own >/dev/null
small features embed --dataset own
refused && pass
[ "$RC" = 0 ] || fail "neither read nor refused"
"$PY" - "$WORK/ernie3" <<'PYTHON' 2>&1 | tee "$WORK/out"
import sys
from pathlib import Path
import torch, transformers
from ssmi.pipeline.stages.running.encoding import open_encoder
folder, text = Path(sys.argv[1]), "李建国在东海市工作"
place = {token: index for index, token in enumerate((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))}
ids = torch.tensor([[place["[CLS]"], *(place[character] for character in text), place["[SEP]"]]])
with torch.no_grad():
    wanted = transformers.ErnieModel.from_pretrained(folder, add_pooling_layer=False).eval()(input_ids=ids).last_hidden_state
    as_bert = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()(input_ids=ids).last_hidden_state
states = torch.from_numpy(open_encoder(folder, "").states([list(text)])[0])
print(f"features differ from ErnieModel by up to {(states - wanted[0, 1:-1]).abs().max():.6f}, BertModel by {(as_bert - wanted).abs().max():.2f}")
PYTHON
says "from ErnieModel by up to 0.0000" && pass
fail "features were built with an ERNIE read as a BERT: its task embeddings are left out without a word"
