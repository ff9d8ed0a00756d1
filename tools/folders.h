/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_FOLDERS_H
#define FLOW_TOOLS_FOLDERS_H

/*
 * Where the plugins that belong to this program lie, relative to its own file, so that a build tree
 * and an installation can be moved: ../stages (a build tree) and the installed folder.  Two texts
 * and NULL, to be released with folders_free; NULL: no memory, or /proc is missing.
 */
char **folders_new(void);
void folders_free(char **folders);

#endif /* FLOW_TOOLS_FOLDERS_H */
