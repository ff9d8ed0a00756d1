# SPDX-License-Identifier: MIT
# needs: lua lua.state
#
# The stages lua and lua.state against the program lua5.4 and awk.

lines 20000 'printf("%d word%d é %d\n", n, pick(1, 50), pick(0, 99999))'

same '"last": { "use": "lua", "from": "read",
    "with": { "code": "function process(r) local a, b = r:match(\"^(%d+) (%S+)\"); if a % 3 == 0 then emit(b) end; return a * 2 end" } }' \
    lua5.4 -e 'for r in io.lines("input") do
        local a, b = r:match("^(%d+) (%S+)"); if a % 3 == 0 then print(b) end; print(a * 2) end'

alone=yes
count='function process(r) local w = r:match(" (%S+)"); state[w] = (state[w] or 0) + 1 end
function finish() local t = {} for w in pairs(state) do t[#t + 1] = w end table.sort(t)
for _, w in ipairs(t) do emit(w .. \" \" .. state[w]) end end'
printf '%s' "$count" | sed 's/\\"/"/g' >count.lua
same '"last": { "use": "lua.state", "from": "read", "with": { "file": "count.lua" } }' \
    sh -c "awk '{ n[\$2]++ } END { for (w in n) print w, n[w] }' input | sort"
