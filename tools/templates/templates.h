/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_TEMPLATES_H
#define FLOW_TOOLS_TEMPLATES_H

/*
 * What `flowrun new` writes: the files of this folder, which are built into the program.  In names
 * and lines @NAME@ stands for the name of the stage or graph, @IDENT@ for that as a word of C,
 * @FILE@ for the graph's file.
 */

struct template_file {
    const char *name;         /* NULL ends the list */
    const char *const *lines; /* each with its newline; NULL ends them */
};

extern const struct template_file template_stage[];
extern const struct template_file template_graph[];

#endif /* FLOW_TOOLS_TEMPLATES_H */
