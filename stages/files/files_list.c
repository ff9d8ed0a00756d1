/* SPDX-License-Identifier: MIT */

/*
 * First the folders are walked through (files/walk.h).  With `watch` they are watched from
 * before they are read (files/watch.h), and afterwards each file is emitted as it is closed
 * or moved in:
 *
 *     LISTING ── all is listed ──> WATCHING <── all is looked through ── CATCHING
 *        └─ in a run that goes on ─────────────────────────────────────────^ ^
 *                                     WATCHING ── events were lost ──────────┘
 *
 * CATCHING walks again, and emits what has changed since the time up to which all was seen.
 */

#include <flowrun/stage.h>

#include <stdio.h>

#include "files/walk.h"
#include "files/watch.h"
#include "shared/paths.h"
#include "shared/text.h"

#define BURST 512      /* records that a call of produce emits at most */
#define LOOKED 4096    /* names that it looks at */
#define EVENTS_MOST 64 /* events that it handles */

enum kind { KIND_FILE, KIND_FOLDER, KIND_OTHER, KIND_ANY };
enum shape { SHAPE_PATH, SHAPE_JSON };
enum phase { LISTING, CATCHING, WATCHING };

struct lister {
    struct flow_list path;
    bool tree;
    struct flow_list match;
    struct flow_list exclude;
    int kind; /* enum kind */
    uint64_t min_size;
    uint64_t max_size;
    int emit; /* enum shape */
    bool watch;
    bool skip_unreadable;

    struct flow_paths roots;
    size_t next_root;
    bool inside;  /* walking through a root */
    bool resumed; /* the listing began in an earlier run */
    bool started; /* the folders are watched, as far as they are known */
    struct walk walk;
    char *after; /* go on behind this path; NULL: from the beginning */
    int emitted; /* in this call of produce */
    enum phase phase;
    struct watch events;
    struct flow_text text;
};

static const struct flow_param params[] = {
    FLOW_PARAM_LIST(struct lister, path, FLOW_REQUIRED,
                    "folders, files or globs, as photos, *.txt, {a,b}/*.jpg"),
    FLOW_PARAM_BOOL(struct lister, tree, "false", "go into the folders that lie in folders"),
    FLOW_PARAM_LIST(struct lister, match, NULL, "only these names, as *.jpg; none given: all"),
    FLOW_PARAM_LIST(struct lister, exclude, NULL,
                    "not these names, as .git or *~; of folders, nothing in them either"),
    FLOW_PARAM_ENUM(struct lister, kind, "file", "file|folder|other|any",
                    "what is listed; a link is what it points to"),
    FLOW_PARAM_SIZE(struct lister, min_size, "0B", 0, 0x1p53,
                    "only files of so many bytes or more"),
    FLOW_PARAM_SIZE(struct lister, max_size, "0B", 0, 0x1p53,
                    "only files of so many bytes or less; 0: any size"),
    FLOW_PARAM_ENUM(struct lister, emit, "path", "path|json",
                    "json: an object with path, kind, size [bytes], modified [s since 1970]"),
    FLOW_PARAM_BOOL(struct lister, watch, "false",
                    "do not end, but emit files as they are written or moved in"),
    FLOW_PARAM_BOOL(struct lister, skip_unreadable, "false",
                    "leave out folders that cannot be listed, with a word, instead of failing"),
    FLOW_PARAM_END,
};

static const struct flow_port outputs[] = {
    {"out", "text", "one path a record, sorted by bytes within each path given"},
    {NULL, NULL, NULL},
};

static bool needs_stat(const struct lister *l, unsigned char type)
{
    return l->watch || l->min_size > 0 || l->max_size > 0 || l->emit == SHAPE_JSON ||
           type == DT_LNK || type == DT_UNKNOWN;
}

static enum kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? KIND_FILE : S_ISDIR(mode) ? KIND_FOLDER : KIND_OTHER;
}

static bool is_wanted(const struct lister *l, const struct stat *st)
{
    const enum kind kind = kind_of(st->st_mode);
    if (l->kind != KIND_ANY && (enum kind)l->kind != kind)
        return false;
    const uint64_t size = (uint64_t)st->st_size;
    return kind != KIND_FILE || (size >= l->min_size && (l->max_size == 0 || size <= l->max_size));
}

static bool name_is_wanted(const struct lister *l, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    return !walk_matches(&l->exclude, name) &&
           (l->match.count == 0 || walk_matches(&l->match, name));
}

static enum flow_status emit_json(struct lister *l, struct flow_stage *stage, const char *path,
                                  const struct stat *st)
{
    static const char *const kinds[] = {"file", "folder", "other"};
    const size_t size = strlen(path);
    char rest[128];
    if (flow_utf8_check(path, size) < size)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "the name of '%s' is not UTF-8, so JSON cannot hold it: use "
                               "\"emit\": \"path\"",
                               path);
    (void)snprintf(rest, sizeof(rest), ",\"kind\":\"%s\",\"size\":%lld,\"modified\":%lld.%06ld}",
                   kinds[kind_of(st->st_mode)], (long long)st->st_size,
                   (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec / 1000);
    l->text.size = 0;
    flow_text_put(&l->text, "{\"path\":");
    flow_text_quote(&l->text, path, size);
    flow_text_put(&l->text, rest);
    if (l->text.failed)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    return flow_emit(stage, l->text.at, l->text.size);
}

/* Emit what has passed all tests; a watched file with a note of how it was. */
static enum flow_status emit_file(struct lister *l, struct flow_stage *stage, const char *path,
                                  const struct stat *st)
{
    if (l->watch) {
        const struct watch_mark mark = watch_mark_of(path, st);
        if (watch_is_marked(&l->events, &mark))
            return FLOW_OK;
        if (!watch_mark(&l->events, &mark))
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to watch '%s'", path);
    }
    l->emitted++;
    return l->emit == SHAPE_JSON ? emit_json(l, stage, path, st)
                                 : flow_emit(stage, path, strlen(path));
}

/* A path that was found; `type` where that is known without looking. */
static enum flow_status offer(struct lister *l, struct flow_stage *stage, const char *path,
                              unsigned char type)
{
    struct stat st = {.st_mode = (mode_t)DTTOIF(type)};
    if (!name_is_wanted(l, path))
        return FLOW_OK;
    /* What points nowhere, or has gone meanwhile, is no file. */
    if (needs_stat(l, type) && stat(path, &st) != 0 && lstat(path, &st) != 0)
        return FLOW_OK;
    if (!is_wanted(l, &st))
        return FLOW_OK;
    if (l->phase == CATCHING && !walk_wants_all(&l->walk) &&
        watch_ns(&st.st_ctim) < l->events.since)
        return FLOW_OK;
    return emit_file(l, stage, path, &st);
}

/* ---- walking ---- */

/* Go into the folder that the walk stands before; it is watched before it is read. */
static enum flow_status enter(struct lister *l, struct flow_stage *stage, bool all)
{
    enum flow_status rc = FLOW_OK;
    const bool is_new = all || walk_wants_all(&l->walk) ||
                        (l->phase == CATCHING && !watch_is_known(&l->events, l->walk.path));
    if (l->watch)
        rc = watch_add(&l->events, stage, l->walk.path);
    return rc == FLOW_OK ? walk_enter(&l->walk, stage, is_new) : rc;
}

static enum flow_status begin_root(struct lister *l, struct flow_stage *stage)
{
    const char *root = l->roots.items[l->next_root];
    struct stat st;
    l->inside = true;
    l->walk.after = l->after;
    if (stat(root, &st) == 0 && S_ISDIR(st.st_mode)) {
        const enum flow_status rc = walk_set_root(&l->walk, stage, root);
        return rc == FLOW_OK ? enter(l, stage, false) : rc;
    }
    return l->after == NULL ? offer(l, stage, root, DT_UNKNOWN) : FLOW_OK;
}

static void end_root(struct lister *l)
{
    free(l->after);
    l->after = NULL;
    l->walk.after = NULL;
    l->inside = false;
    l->next_root++;
}

/* One step of a walk through what the root in hand holds; FLOW_ECLOSED: that was all. */
static enum flow_status step(struct lister *l, struct flow_stage *stage)
{
    struct walk_found found = {0};
    const enum flow_status rc = walk_next(&l->walk, stage, &found);
    if (rc != FLOW_OK)
        return rc;
    return found.enter ? enter(l, stage, false) : offer(l, stage, found.path, found.type);
}

/* Walk on for a while; FLOW_ECLOSED: through all roots. */
static enum flow_status walk_on(struct lister *l, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    for (int i = 0; rc == FLOW_OK && i < LOOKED && l->emitted < BURST; i++) {
        if (i % 256 == 0 && flow_stopping(stage))
            return FLOW_EAGAIN;
        if (!l->inside && l->next_root == l->roots.count)
            return FLOW_ECLOSED;
        rc = l->inside ? step(l, stage) : begin_root(l, stage);
        if (rc == FLOW_ECLOSED) {
            end_root(l);
            rc = FLOW_OK;
        }
    }
    return rc;
}

/* ---- watching ---- */

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to watch folders");
}

/* Look through everything for what has been missed. */
static enum flow_status catch_up(struct lister *l, struct flow_stage *stage, bool more)
{
    if (!watch_note_known(&l->events, more))
        return no_memory(stage);
    l->phase = CATCHING;
    l->next_root = 0;
    return FLOW_OK;
}

/* A folder has appeared: all in it is new. */
static enum flow_status begin_folder(struct lister *l, struct flow_stage *stage, const char *path)
{
    if (!l->tree)
        return FLOW_OK;
    if (!watch_note_known(&l->events, false))
        return no_memory(stage);
    const enum flow_status rc = walk_set_root(&l->walk, stage, path);
    return rc == FLOW_OK ? enter(l, stage, true) : rc;
}

static enum flow_status handle_folder(struct lister *l, struct flow_stage *stage, const char *path,
                                      uint32_t mask)
{
    if (mask & IN_MOVED_FROM)
        watch_remove(&l->events, path);
    if (!(mask & (IN_CREATE | IN_MOVED_TO)))
        return FLOW_OK;
    const enum flow_status rc = offer(l, stage, path, DT_DIR);
    return rc == FLOW_OK ? begin_folder(l, stage, path) : rc;
}

/* A new name of a file that nobody writes to: no other event will tell of it. */
static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || st.st_nlink > 1);
}

static enum flow_status handle(struct lister *l, struct flow_stage *stage,
                               const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        flow_log(stage, "too many events at once: looking through all folders again");
        return catch_up(l, stage, false);
    }
    struct watch_folder *folder = &l->events.folders[event->wd];
    if (event->mask & IN_IGNORED) {
        free(folder->path);
        folder->path = NULL;
    }
    if (folder->path == NULL || event->len == 0 || walk_matches(&l->exclude, event->name))
        return FLOW_OK;
    char *path = NULL;
    if (asprintf(&path, "%s%s", folder->path, event->name) < 0)
        return no_memory(stage);
    enum flow_status rc = FLOW_OK;
    if (event->mask & IN_ISDIR)
        rc = handle_folder(l, stage, path, event->mask);
    else if ((event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) ||
             ((event->mask & IN_CREATE) && is_link(path)))
        rc = offer(l, stage, path, DT_UNKNOWN);
    free(path);
    return rc;
}

/* The next name of a new folder, or the next event. */
static enum flow_status watch_one(struct lister *l, struct flow_stage *stage)
{
    const struct inotify_event *event = NULL;
    if (l->walk.depth > 0) {
        const enum flow_status rc = step(l, stage);
        return rc == FLOW_ECLOSED ? FLOW_OK : rc;
    }
    const enum flow_status rc = watch_next(&l->events, stage, &event);
    return rc == FLOW_OK ? handle(l, stage, event) : rc;
}

static enum flow_status watch_on(struct lister *l, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    for (int i = 0; rc == FLOW_OK && i < EVENTS_MOST && l->phase == WATCHING; i++)
        rc = watch_one(l, stage);
    if (rc != FLOW_EAGAIN)
        return rc;
    watch_purge(&l->events);
    if (l->emitted > 0)
        return FLOW_OK;
    rc = flow_wait(stage, l->events.fd, POLLIN, -1);
    return rc == FLOW_EAGAIN ? FLOW_OK : rc;
}

/* ---- callbacks ---- */

static enum flow_status check_root(const struct lister *l, struct flow_stage *stage,
                                   const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return flow_file_fail(stage, "list", path);
    if (l->watch && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
        return flow_stage_fail(stage, FLOW_EINVAL, "'%s' is no folder: 'watch' watches folders",
                               path);
    return FLOW_OK;
}

static enum flow_status lister_open(void *self, struct flow_stage *stage)
{
    struct lister *l = self;
    enum flow_status rc = FLOW_OK;
    l->walk.exclude = &l->exclude;
    l->walk.tree = l->tree;
    l->walk.skip_unreadable = l->skip_unreadable;
    if (l->max_size > 0 && l->max_size < l->min_size)
        return flow_stage_fail(stage, FLOW_EINVAL, "'max_size' is below 'min_size'");
    if (l->watch)
        rc = watch_open(&l->events, stage);
    for (size_t i = 0; rc == FLOW_OK && i < l->path.count; i++)
        rc = flow_paths_add_pattern(&l->roots, stage, l->path.items[i]);
    for (size_t i = 0; rc == FLOW_OK && i < l->roots.count; i++)
        rc = check_root(l, stage, l->roots.items[i]);
    if (rc == FLOW_OK && l->roots.count == 0)
        rc = flow_stage_fail(stage, FLOW_EINVAL, "'path' names nothing");
    return rc;
}

static enum flow_status lister_produce(void *self, struct flow_stage *stage)
{
    struct lister *l = self;
    l->emitted = 0;
    if (l->phase == WATCHING)
        return watch_on(l, stage);
    enum flow_status rc = walk_on(l, stage);
    if (rc == FLOW_EAGAIN) /* the run wants to stop */
        return FLOW_ECLOSED;
    if (rc != FLOW_ECLOSED || !l->watch)
        return rc;
    if (l->phase == LISTING && l->resumed)
        return catch_up(l, stage, true);
    l->phase = WATCHING;
    return FLOW_OK;
}

/*
 * While folders that are new are being walked through, those are saved as known that were so
 * before.
 */
static enum flow_status note_known(struct lister *l, struct flow_stage *stage)
{
    const bool walks = l->phase == CATCHING || (l->phase == WATCHING && l->walk.depth > 0);
    if (!walks && !watch_note_known(&l->events, l->phase == LISTING))
        return no_memory(stage);
    return FLOW_OK;
}

static enum flow_status lister_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct lister *l = self;
    const bool listing = l->phase == LISTING;
    const bool behind = l->inside && l->walk.path != NULL && l->walk.depth > 0;
    const char *after = behind ? l->walk.path : l->inside ? l->roots.items[l->next_root] : "";
    enum flow_status rc = flow_paths_save(&l->roots, to);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, l->phase);
    if (rc == FLOW_OK)
        rc = flow_save_number(to, listing ? l->next_root : l->roots.count);
    if (rc == FLOW_OK)
        rc = flow_save_text(to, after, listing ? strlen(after) : 0);
    if (rc == FLOW_OK && l->watch)
        rc = note_known(l, stage);
    return rc == FLOW_OK && l->watch ? watch_save(&l->events, to) : rc;
}

static enum flow_status lister_restore(void *self, struct flow_stage *stage,
                                       struct flow_loader *from)
{
    struct lister *l = self;
    uint64_t phase;
    uint64_t next;
    enum flow_status rc = flow_paths_load(&l->roots, stage, from);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &phase);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &next);
    if (rc == FLOW_OK)
        rc = flow_load_string(from, &l->after);
    if (rc != FLOW_OK)
        return rc;
    if (phase > WATCHING || next > l->roots.count)
        return FLOW_EPROTO;
    if (l->after[0] == '\0') {
        free(l->after);
        l->after = NULL;
    }
    l->resumed = true;
    l->phase = phase == LISTING ? LISTING : CATCHING;
    l->next_root = phase == LISTING ? (size_t)next : 0;
    return l->watch ? watch_load(&l->events, from) : FLOW_OK;
}

static void lister_close(void *self, struct flow_stage *stage)
{
    struct lister *l = self;
    (void)stage;
    walk_clear(&l->walk);
    watch_clear(&l->events);
    flow_paths_clear(&l->roots);
    flow_text_clear(&l->text);
    free(l->after);
}

static const struct flow_stage_type lister = {
    .name = "files.list",
    .help = "lists files in folders and trees, and watches for new ones",
    .role = FLOW_PRODUCER,
    .traits = FLOW_SINGLE,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct lister),
    .open = lister_open,
    .produce = lister_produce,
    .close = lister_close,
    .save = lister_save,
    .restore = lister_restore,
};

FLOW_PLUGIN(&lister);
