/* SPDX-License-Identifier: MIT */

/* The verb that writes the beginnings of a stage or a graph.  Nothing that exists is touched. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_code.h"
#include "say.h"
#include "templates/templates.h"
#include "verbs.h"

#define NAME_MAX_SIZE 64

/* What stands for the words between @ signs, and where the files go. */
struct making {
    char *folder;                 /* with a slash at the end, or empty */
    const char *name;             /* of the stage type or graph: no folder, no ending */
    char file[NAME_MAX_SIZE + 8]; /* a graph's file */
    char ident[NAME_MAX_SIZE + 1];
};

static const char *value_of(const struct making *m, const char *word, size_t size)
{
    static const char *const words[] = {"@NAME@", "@IDENT@", "@FILE@"};
    const char *const values[] = {m->name, m->ident, m->file};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == size && memcmp(words[i], word, size) == 0)
            return values[i];
    return NULL;
}

/* A text of a template with its words replaced. */
static void put_text(const struct making *m, const char *text, FILE *to)
{
    while (*text != '\0') {
        const char *end = *text == '@' ? strchr(text + 1, '@') : NULL;
        const size_t size = end != NULL ? (size_t)(end - text) + 1 : 0;
        const char *value = size > 0 ? value_of(m, text, size) : NULL;
        if (value != NULL) {
            (void)fputs(value, to);
            text += size;
        } else {
            (void)fputc(*text++, to);
        }
    }
}

/* The path of a file of the template, the caller's own; NULL: no memory. */
static char *path_of(const struct making *m, const struct template_file *file)
{
    char *path = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&path, &size);
    if (to == NULL)
        return NULL;
    (void)fputs(m->folder, to);
    put_text(m, file->name, to);
    if (fclose(to) == 0)
        return path;
    free(path);
    return NULL;
}

static bool write_lines(const struct making *m, const struct template_file *file, const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    for (size_t i = 0; to != NULL && file->lines[i] != NULL; i++)
        put_text(m, file->lines[i], to);
    const bool written = to != NULL && ferror(to) == 0;
    if (to != NULL && fclose(to) == 0 && written)
        return true;
    if (to == NULL && fd >= 0)
        (void)close(fd);
    return errno == EEXIST ? say_error("'%s' exists already; nothing is written over", path)
                           : say_error("cannot write '%s': %s", path, strerror(errno));
}

static int write_files(const struct making *m, const struct template_file *files)
{
    bool ok = true;
    for (; ok && files->name != NULL; files++) {
        char *path = path_of(m, files);
        ok = path != NULL ? write_lines(m, files, path) : say_error("no memory");
        if (ok)
            (void)printf("%s\n", path);
        free(path);
    }
    return ok ? EXIT_DONE : EXIT_FAILED;
}

/* ---- names ---- */

/* A name of C: dots and dashes become underscores. */
static void make_ident(struct making *m)
{
    size_t i = 0;
    for (; m->name[i] != '\0'; i++)
        m->ident[i] = m->name[i] == '.' || m->name[i] == '-' ? '_' : m->name[i];
    m->ident[i] = '\0';
}

/* Words of small letters, digits and '_' that begin with a letter, with dots between them. */
static bool check_type_name(const char *name)
{
    bool begins = true;
    bool good = *name != '\0' && strlen(name) <= NAME_MAX_SIZE;
    for (const char *at = name; good && *at != '\0'; at++) {
        const unsigned char letter = (unsigned char)*at;
        good = islower(letter) || (!begins && (isdigit(letter) || letter == '_' || letter == '.'));
        begins = letter == '.';
    }
    if (good && !begins)
        return true;
    return say_error("'%s' is no name for a stage type: small letters, digits and '_', at most %d, "
                     "perhaps with a group before a dot, as in text.upcase",
                     name, NAME_MAX_SIZE);
}

static bool check_graph_name(const char *name)
{
    bool good = *name != '\0' && strlen(name) <= NAME_MAX_SIZE && name[0] != '.';
    for (const char *at = name; good && *at != '\0'; at++)
        good = isalnum((unsigned char)*at) || strchr("_-.", *at) != NULL;
    if (good)
        return true;
    return say_error("'%s' is no name for a graph: letters, digits, '_', '-' and '.', at most %d",
                     name, NAME_MAX_SIZE);
}

/* ---- the two kinds ---- */

static int new_stage(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct making m = {.name = slash != NULL ? slash + 1 : path};
    if (!check_type_name(m.name))
        return EXIT_USAGE;
    make_ident(&m);
    if (mkdir(path, 0777) != 0) {
        if (errno == EEXIST)
            (void)say_error("'%s' exists already; choose another name, or remove it", path);
        else
            (void)say_error("cannot make the folder '%s': %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    if (asprintf(&m.folder, "%s/", path) < 0) {
        (void)say_error("no memory");
        return EXIT_ENVIRONMENT;
    }
    const int code = write_files(&m, template_stage);
    free(m.folder);
    if (code == EXIT_DONE)
        (void)printf("\nNow:  cd %s\n"
                     "      cmake -B build && cmake --build build\n"
                     "      ctest --test-dir build\n"
                     "      flowrun %s.json\n",
                     path, m.name);
    return code;
}

/* `path` with or without ".json". */
static int new_graph(const char *path)
{
    struct making m = {0};
    m.folder = strdup(path);
    if (m.folder == NULL) {
        (void)say_error("no memory");
        return EXIT_ENVIRONMENT;
    }
    char *slash = strrchr(m.folder, '/');
    char *name = strdup(slash != NULL ? slash + 1 : m.folder);
    const size_t size = name != NULL ? strlen(name) : 0;
    if (size > 5 && strcmp(name + size - 5, ".json") == 0)
        name[size - 5] = '\0';
    *(slash != NULL ? slash + 1 : m.folder) = '\0';

    int code = EXIT_USAGE;
    if (name == NULL) {
        (void)say_error("no memory");
        code = EXIT_ENVIRONMENT;
    } else if (check_graph_name(name)) {
        m.name = name;
        make_ident(&m);
        (void)snprintf(m.file, sizeof(m.file), "%s.json", name);
        code = write_files(&m, template_graph);
    }
    if (code == EXIT_DONE)
        (void)printf("\nNow:  flowrun %s%s --param input=FILE\n", m.folder, m.file);
    free(name);
    free(m.folder);
    return code;
}

int write_new(const struct arguments *arguments)
{
    if (strcmp(arguments->operand, "stage") == 0)
        return new_stage(arguments->second);
    if (strcmp(arguments->operand, "graph") == 0)
        return new_graph(arguments->second);
    (void)say_error("'new' writes a stage or a graph, not a '%s'; see flowrun new --help",
                    arguments->operand);
    return EXIT_USAGE;
}
