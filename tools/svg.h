/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_SVG_H
#define FLOW_TOOLS_SVG_H

/*
 * Let graphviz turn a DOT text into SVG, on standard output or in the file `output`.  Returns an
 * exit code; what went wrong has been said.
 */
int svg_draw(const char *dot, const char *output);

#endif /* FLOW_TOOLS_SVG_H */
