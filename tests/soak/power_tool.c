/* SPDX-License-Identifier: MIT */

/*
 * What a disk may hold after a loss of power, from a log of power_record.c.
 *
 *     power_tool count LOG
 *         how many things were done
 *     power_tool rebuild LOG POINT MODE SEED FOLDER
 *         the power is lost when POINT of them have been done: make what is there then of FOLDER,
 *         which holds what was there at the beginning.
 *         Prints, as shell variables, the newest checkpoint that had been committed by then
 *         (PROMISED, 0: none), how many things were not synced (OPEN), and a hash of it all
 * (STATE).
 *
 * What was synced is there: a file's bytes and size after a sync of the file, names after one of
 * their folder.  Of the rest any part may be.  MODE says which:
 *
 *     none    nothing of it             all      all of it, as after kill -9
 *     names   names, but no bytes       bytes    bytes, but no names
 *     zeros   names and sizes, with zeros for bytes
 *     some    each by chance, of what was written perhaps only the beginning
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MOST 65536

enum mode { MODE_NONE, MODE_ALL, MODE_NAMES, MODE_BYTES, MODE_ZEROS, MODE_SOME, MODE_COUNT };

static const char *const modes[MODE_COUNT] = {"none", "all", "names", "bytes", "zeros", "some"};

struct op {
    char kind;
    size_t file; /* of C, T, W, S, and R: which one */
    uint64_t offset, size;
    const char *data;
    char *path, *to;
};

struct journal {
    struct op *ops;
    size_t count, room;
    size_t file_count;
};

/* A name and the file that it stands for. */
struct name {
    char *path;
    size_t file;
};

struct names {
    struct name *list;
    size_t count;
};

/* Files by their inodes, whose numbers are used again. */
struct inodes {
    uint64_t inode[FILES_MOST];
    size_t count;
};

struct content {
    uint8_t *bytes;
    uint64_t size;
};

static void die(const char *what)
{
    fprintf(stderr, "power_tool: %s\n", what);
    exit(70);
}

static void *need(void *memory)
{
    if (memory == NULL)
        die("no memory");
    return memory;
}

/* ---- names ---- */

static struct name *names_find(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i].path, path) == 0)
            return &names->list[i];
    return NULL;
}

static void names_set(struct names *names, const char *path, size_t file)
{
    struct name *known = names_find(names, path);
    if (known == NULL) {
        names->list = need(realloc(names->list, (names->count + 1) * sizeof(*names->list)));
        known = &names->list[names->count++];
        known->path = need(strdup(path));
    }
    known->file = file;
}

static void names_remove(struct names *names, const char *path)
{
    struct name *known = names_find(names, path);
    if (known == NULL)
        return;
    free(known->path);
    *known = names->list[--names->count];
}

/* A change of names, done to `names`. */
static void names_apply(struct names *names, const struct op *op)
{
    if (op->kind == 'C' || op->kind == 'E') {
        names_set(names, op->path, op->file);
    } else if (op->kind == 'R') {
        names_remove(names, op->path);
        names_set(names, op->to, op->file);
    } else if (op->kind == 'U') {
        names_remove(names, op->path);
    }
}

/* ---- the log ---- */

static char *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0)
        die("no log");
    char *text = need(malloc((size_t)info.st_size + 1));
    *size = fread(text, 1, (size_t)info.st_size, file);
    text[*size] = '\0';
    fclose(file);
    return text;
}

static struct op *add(struct journal *journal, char kind)
{
    if (journal->count == journal->room) {
        journal->room = journal->room == 0 ? 1024 : journal->room * 2;
        journal->ops = need(realloc(journal->ops, journal->room * sizeof(*journal->ops)));
    }
    struct op *op = &journal->ops[journal->count++];
    *op = (struct op){.kind = kind};
    return op;
}

/* SIZE_MAX: it is not known. */
static size_t file_of(const struct inodes *inodes, uint64_t inode)
{
    for (size_t i = inodes->count; i-- > 0;)
        if (inodes->inode[i] == inode)
            return i;
    return SIZE_MAX;
}

static void parse_file_op(struct op *op, struct inodes *inodes, const char *line)
{
    char *at;
    const uint64_t inode = strtoull(line + 2, &at, 10);
    if (op->kind == 'E' && file_of(inodes, inode) != SIZE_MAX)
        op->kind = 'N'; /* it was made in this run, or is opened once more */
    if (op->kind == 'C' || op->kind == 'E') {
        if (inodes->count == FILES_MOST)
            die("too many files");
        inodes->inode[inodes->count++] = inode;
        op->path = need(strdup(at + 1));
    }
    op->file = file_of(inodes, inode);
    if (op->file == SIZE_MAX)
        die("the log writes to a file that it has not opened");
    if (op->kind == 'W')
        op->offset = strtoull(at, &at, 10);
    if (op->kind == 'W' || op->kind == 'T')
        op->size = strtoull(at, NULL, 10);
}

static void parse_name_op(struct op *op, const char *line)
{
    const char *arrow = op->kind == 'R' ? strstr(line, " -> ") : NULL;
    op->path =
        need(arrow != NULL ? strndup(line + 2, (size_t)(arrow - line) - 2) : strdup(line + 2));
    op->to = arrow != NULL ? need(strdup(arrow + 4)) : NULL;
}

/* Which file a name stood for when it was changed. */
static void resolve(struct journal *journal)
{
    struct names names = {0};
    for (size_t i = 0; i < journal->count; i++) {
        struct op *op = &journal->ops[i];
        const struct name *known = op->kind == 'R' ? names_find(&names, op->path) : NULL;
        if (op->kind == 'R' && known == NULL)
            die("the log renames a file that it has not made");
        if (known != NULL)
            op->file = known->file;
        names_apply(&names, op);
    }
}

static struct journal parse(char *text, size_t size)
{
    static struct inodes inodes;
    struct journal journal = {0};
    for (char *at = text; at < text + size;) {
        char *end = memchr(at, '\n', (size_t)(text + size - at));
        if (end == NULL)
            die("the log is cut off");
        *end = '\0';
        struct op *op = add(&journal, *at);
        if (strchr("CETWS", *at) != NULL)
            parse_file_op(op, &inodes, at);
        else
            parse_name_op(op, at);
        at = end + 1;
        if (op->kind == 'W') {
            op->data = at;
            at += op->size + 1;
        }
    }
    journal.file_count = inodes.count;
    resolve(&journal);
    return journal;
}

/* ---- what is left ---- */

/* Is `folder` that which holds the name of `path`? */
static bool holds(const char *folder, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strcmp(folder, ".") == 0;
    return strlen(folder) == (size_t)(slash - path) &&
           strncmp(folder, path, (size_t)(slash - path)) == 0;
}

static bool is_bytes(const struct op *op)
{
    return op->kind == 'W' || op->kind == 'T';
}

static bool is_name(const struct op *op)
{
    return strchr("CRUM", op->kind) != NULL;
}

/* Was what is done at `i` synced before `point`? */
static bool is_synced(const struct journal *journal, size_t i, size_t point)
{
    const struct op *op = &journal->ops[i];
    for (size_t n = i + 1; n < point; n++) {
        const struct op *sync = &journal->ops[n];
        if (is_bytes(op) && sync->kind == 'S' && sync->file == op->file)
            return true;
        if (is_name(op) && sync->kind == 'D' &&
            holds(sync->path, op->to != NULL ? op->to : op->path))
            return true;
    }
    return false;
}

/* How much of what was not synced is there: 0, 1, or part of it. */
static double survives(const struct op *op, enum mode mode)
{
    switch (mode) {
    case MODE_NONE:
        return 0;
    case MODE_ALL:
    case MODE_ZEROS:
        return 1;
    case MODE_NAMES:
        return is_name(op);
    case MODE_BYTES:
        return is_bytes(op);
    default:
        break;
    }
    const int dice = rand() % 3;
    if (op->kind == 'W' && dice == 2)
        return rand() / (RAND_MAX + 1.0);
    return dice > 0;
}

static void resize(struct content *content, uint64_t size)
{
    if (size > content->size) {
        content->bytes = need(realloc(content->bytes, size));
        memset(content->bytes + content->size, 0, size - content->size);
    }
    content->size = size;
}

static void put(struct content *content, const struct op *op, double part, bool zeros)
{
    const uint64_t size = part < 1 ? (uint64_t)((double)op->size * part) / 512 * 512 : op->size;
    if (op->kind == 'T') {
        resize(content, op->size);
    } else if (size > 0) {
        if (op->offset + size > content->size)
            resize(content, op->offset + size);
        if (zeros)
            memset(content->bytes + op->offset, 0, size);
        else
            memcpy(content->bytes + op->offset, op->data, size);
    }
}

struct disk {
    struct names names;
    struct names gone; /* what was there at the beginning, perhaps */
    struct content *contents;
    size_t open; /* what was not synced */
};

/* What a file held at the beginning. */
static void begin_with(struct content *content, const char *folder, const char *path)
{
    char full[4096];
    size_t size = 0;
    snprintf(full, sizeof(full), "%s/%s", folder, path);
    content->bytes = (uint8_t *)load(full, &size);
    content->size = size;
}

static void change_names(struct disk *disk, const struct op *op)
{
    if (op->kind == 'M')
        names_set(&disk->names, op->path, SIZE_MAX);
    else
        names_apply(&disk->names, op);
    if (op->kind == 'R' || op->kind == 'U')
        names_set(&disk->gone, op->path, 0);
}

static struct disk lose_power(const struct journal *journal, size_t point, enum mode mode,
                              const char *folder)
{
    struct disk disk = {.contents = need(calloc(journal->file_count + 1, sizeof(struct content)))};
    for (size_t i = 0; i < point; i++) {
        const struct op *op = &journal->ops[i];
        if (op->kind == 'E') {
            begin_with(&disk.contents[op->file], folder, op->path);
            names_apply(&disk.names, op);
        }
        if (!is_bytes(op) && !is_name(op))
            continue;
        const bool synced = is_synced(journal, i, point);
        const double part = synced ? 1 : survives(op, mode);
        disk.open += !synced;
        if (is_bytes(op) && part > 0)
            put(&disk.contents[op->file], op, part, !synced && mode == MODE_ZEROS);
        else if (part > 0)
            change_names(&disk, op);
    }
    return disk;
}

/* The newest checkpoint whose name had been synced. */
static unsigned long promised(const struct journal *journal, size_t point)
{
    unsigned long newest = 0;
    for (size_t i = 0; i < point; i++) {
        const struct op *op = &journal->ops[i];
        const char *name = op->kind == 'R' ? strstr(op->to, "/checkpoint-") : NULL;
        unsigned long epoch;
        if (name != NULL && sscanf(name, "/checkpoint-%lu.json", &epoch) == 1 && epoch > newest &&
            is_synced(journal, i, point))
            newest = epoch;
    }
    return newest;
}

/* ---- as files ---- */

static uint64_t hash(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* In the order of their paths, so that a folder comes before what is in it; one whose folder is not
 * there is not there either. */
static uint64_t write_out(const struct disk *disk, const char *folder)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < disk->gone.count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, disk->gone.list[i].path);
        if (unlink(path) == 0)
            sum = hash(sum, path, strlen(path));
    }
    if (disk->names.count > 0)
        qsort(disk->names.list, disk->names.count, sizeof(*disk->names.list), by_path);
    for (size_t i = 0; i < disk->names.count; i++) {
        const struct name *name = &disk->names.list[i];
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, name->path);
        sum = hash(sum, name->path, strlen(name->path) + 1);
        if (name->file == SIZE_MAX) {
            (void)mkdir(path, 0777);
            continue;
        }
        const struct content *content = &disk->contents[name->file];
        sum = hash(sum, content->bytes, content->size);
        FILE *file = fopen(path, "wb");
        if (file == NULL)
            continue;
        if (content->size > 0 && fwrite(content->bytes, 1, content->size, file) != content->size)
            die("cannot write");
        if (fclose(file) != 0)
            die("cannot write");
    }
    return sum;
}

static int rebuild(const struct journal *journal, char **argv)
{
    const size_t point = strtoul(argv[3], NULL, 10);
    enum mode mode = MODE_NONE;
    while (mode < MODE_COUNT && strcmp(modes[mode], argv[4]) != 0)
        mode++;
    if (mode == MODE_COUNT || point > journal->count)
        die("no such mode or point");
    srand((unsigned)strtoul(argv[5], NULL, 10));
    const struct disk disk = lose_power(journal, point, mode, argv[6]);
    printf("PROMISED=%lu\nOPEN=%zu\nSTATE=%016llx\n", promised(journal, point), disk.open,
           (unsigned long long)write_out(&disk, argv[6]));
    return 0;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    if (argc < 3) {
        fputs("usage: power_tool count|rebuild LOG ...\n", stderr);
        return 2;
    }
    char *text = load(argv[2], &size);
    const struct journal journal = parse(text, size);
    if (strcmp(argv[1], "rebuild") == 0 && argc == 7)
        return rebuild(&journal, argv);
    printf("%zu\n", journal.count);
    return 0;
}
