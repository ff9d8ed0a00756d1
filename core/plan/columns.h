/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_COLUMNS_H
#define FLOW_PLAN_COLUMNS_H

#include "base/str.h"

#define FLOW_COLUMNS_MAX 8

/*
 * Append the lines of `cells` to `out`, two spaces in, with their cells, which tabs separate,
 * aligned in columns.  A width is that of the characters (UTF-8 code points).  A column that is
 * empty on all lines vanishes.  What failed in `cells` fails `out`.
 */
void flow_columns(const struct flow_str *cells, struct flow_str *out);

#endif /* FLOW_PLAN_COLUMNS_H */
