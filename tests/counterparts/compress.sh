# SPDX-License-Identifier: MIT
# needs: compress compress.stream decompress
#
# compress and compress.stream are read by zstd and gzip, and by decompress.

lines 50000 'printf("%d a line that repeats itself %d\n", n, pick(1, 99999))'
printf '\n\nno line end at the end\n' >>input

# written FROM STAGE COMMAND...: the file that STAGE writes becomes by COMMAND what FROM is
written() {
    cp "$1" expected
    cat >graph.json <<END
{ "flowrun": 1, "stages": {
  "read": { "use": "lines.read", "with": { "path": "input" } },
  "last": { "from": "read", $2 },
  "write": { "use": "lines.write", "from": "last", "with": { "path": "actual", "newline": "" } }
} }
END
    stage=$2
    shift 2
    for mode in threads processes; do
        run "$mode" --mode "$mode"
        mv actual file
        "$@" <file >actual || echo "FAILED: $*: status $?"
        verdict "$mode: $stage"
    done
}

tr -d '\n' <input >joined
for format in zstd gzip; do
    written joined '"use": "compress", "workers": 2, "with": { "format": "'$format'" }' $format -dc
    written input '"use": "compress", "workers": 2, "with": { "format": "'$format'", "frame": "batch" }' \
        $format -dc
    written input '"use": "compress.stream", "with": { "format": "'$format'" }' $format -dc
    same '"pack": { "use": "compress", "from": "read", "workers": 2,
                    "with": { "format": "'$format'", "frame": "batch" } },
          "last": { "use": "decompress", "from": "pack", "with": { "emit": "lines" } }' cat input
done

# A run that is killed once it has made a checkpoint, and gone on with, writes a file of the same.
for format in zstd gzip; do
    cat >graph.json <<END
{ "flowrun": 1, "run": { "state": "state", "checkpoint": "20ms" }, "stages": {
  "read": { "use": "lines.read", "with": { "path": "input" } },
  "wait": { "use": "sleep", "from": "read", "with": { "delay": "4us" } },
  "pack": { "use": "compress.stream", "from": "wait", "with": { "format": "$format" } },
  "write": { "use": "lines.write", "from": "pack", "with": { "path": "actual", "newline": "" } }
} }
END
    cp input expected
    for mode in threads processes; do
        rm -rf state actual*
        "$bin" graph.json --quiet --mode "$mode" >said 2>&1 &
        pid=$!
        until ls state/checkpoint-*.json >made 2>&1 || ! kill -0 "$pid" 2>/dev/null; do :; done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        run_again=--resume
        [ ! -e actual ] || run_again=--quiet # it was done before it could be killed
        "$bin" graph.json --quiet $run_again --mode "$mode" >said 2>&1 || cat said
        mv actual file
        $format -dc <file >actual || echo "FAILED: $format: status $?"
        verdict "$mode: killed and gone on with: $format"
    done
done
