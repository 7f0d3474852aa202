#!/bin/bash
# PROJ=a project after `make demo` SSMI=its ssmi-cli bash cmd.sh
. "$(dirname "$0")/../lib.sh"
"$PY" - "$PROJ" <<'PYTHON' | tee "$WORK/out"
import sys, ssmi
from concurrent.futures import ThreadPoolExecutor
run = f"{sys.argv[1]}/artifacts/train/sample"
texts = [f"陈思远{number}，男，汉族，任东海科技公司第{number}部经理。" for number in range(24)]
alone = list(map(ssmi.open_run(run, threads=1), texts))


def differences(found):
    for text, own, other in zip(texts, alone, found, strict=True):
        if [(e.start, e.end, e.label, e.text) for e in own] != [(e.start, e.end, e.label, e.text) for e in other]:
            yield text, own, other
        elif any(abs(e.score - f.score) > 1e-4 for e, f in zip(own, other, strict=True)):
            yield text, own, other


different = 0
for attempt in range(5):  # a fresh tagger has met nothing yet: that is where threads are in each other's way
    tagger = ssmi.open_run(run, threads=1)
    with ThreadPoolExecutor(8) as pool:
        found = list(differences(pool.map(tagger, texts)))
    different += len(found)
    for text, own, other in found[:2]:
        print(f"attempt {attempt}: {text}\n  alone    {own}\n  threads  {other}")
print("same" if not different else f"different: {different} answers")
PYTHON
says "^same" && pass
fail "a tagger called from several threads, as a web service does, gives other answers"
