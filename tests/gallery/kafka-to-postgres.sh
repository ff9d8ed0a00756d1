# SPDX-License-Identifier: MIT
# needs: kafka.in postgres.copy
# 3,000 messages, some of them bad, from brokers that librdkafka plays to a real server; a second run
# finds only what has come since.

prepare() {
    work=$place
    . "$root/tests/stages/support/serve.sh"
    serve "$KAFKA_MOCK" threads:4,processes:4
    brokers=$address
    serve "$root/tests/stages/support/server.sh" postgres
    database=$address
    seq 1 3000 | awk '{
        printf "{\"total\":%.1f,\"id\":%d,\"city\":\"B\\\"%d\"}\n", $1 / 2, $1, $1 }' >orders
    sed 's/[{}"\\]//g; s/total:\(.*\),id:\(.*\),city:B\(.*\)/\2|B"\3|\1/' orders >expected
    sed -i '1000s/$/\n{"id":"seven"}\nno JSON/' orders
}

move() {
    flow --param brokers="$brokers" --param topic="$mode" --param database="$database" \
        --param table="orders_$mode" --param until_end=true --param bad=bad --state state \
        --param create="CREATE TABLE IF NOT EXISTS orders_$mode(id int, city text, total numeric)" \
        "$@"
}

work() {
    kcat -P -b "$brokers" -t "$mode" <"$place/orders"
    move
    cp bad first-bad
    echo '{"id":3001,"city":"last","total":0}' | kcat -P -b "$brokers" -t "$mode"
    rm -r state
    move
}

compare() {
    psql "$database" -qtA -c "SELECT * FROM orders_$mode ORDER BY id" >rows
    { cat "$place/expected"; echo "3001|last|0"; } >all
    same all rows
    [ "$(wc -l <first-bad)" -eq 2 ] || fail "there are not two bad messages"
    grep -q 'invalid input syntax for type integer' first-bad || fail "a bad number is not told"
    grep -q 'it is no JSON object' first-bad || fail "what is no JSON is not told"
}
