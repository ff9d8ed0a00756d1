#!/bin/sh
# SPDX-License-Identifier: MIT
while IFS= read -r line; do
    printf '%s\n' "$line" | tr a-z A-Z
done
