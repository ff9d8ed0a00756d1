# SPDX-License-Identifier: MIT
#
# Take the fenced blocks out of a Markdown file and write, into the folder `to`:
#
#     ```json              NNN.json         a graph
#     ```json NAME         NNN.json, and NNN.name with the name that later blocks know it by
#     ```sh test           NNN.sh           commands
#     ```text              NNN.out          what the commands of the block right before print
#
# where NNN is the number of the line that opens the block of the graph or the commands.

function close_block()
{
    if (path != "")
        close(path)
    path = ""
    inside = 0
}

/^```/ && inside { close_block(); next }

/^```/ {
    inside = 1
    path = ""
    if ($1 == "```json") {
        path = sprintf("%s/%05d.json", to, FNR)
        if (NF > 1) {
            print $2 > sprintf("%s/%05d.name", to, FNR)
            close(sprintf("%s/%05d.name", to, FNR))
        }
    } else if ($1 == "```sh" && $2 == "test") {
        path = sprintf("%s/%05d.sh", to, FNR)
        commands = FNR
    } else if ($1 == "```text" && commands > 0) {
        path = sprintf("%s/%05d.out", to, commands)
    }
    if ($1 != "```sh")
        commands = 0
    if (path != "")
        printf "" > path
    next
}

inside && path != "" { print > path }
