/* SPDX-License-Identifier: MIT */

/*
 * What the scripts here need and a shell cannot do well.
 *
 *     soak_tool watch OUT COMMAND...
 *         runs the command; the resident set of it and its children is sampled meanwhile
 *     soak_tool strike OUT [--signal NAME] [--when FILE] [--after MS] [--victim LABEL] [--again MS]
 *                      -- COMMAND...
 *         runs the command; once FILE has something in it, and MS later, the signal goes to the
 *         command or to the process of the run with that label (and a second one after --again)
 *     soak_tool hail OUT WHEN TIMES MS LABEL... -- COMMAND...
 *         runs the command and, once the file WHEN has something in it, kills its processes with
 *         those labels, one by chance TIMES times, at intervals of 0 to 2 * MS
 *     soak_tool field FILE KEY...
 *         prints a value of the JSON object that begins a line of FILE; KEY in an array is a "name"
 *     soak_tool counts FILE
 *         prints what every stage and edge has counted, of such an object that is a report
 *
 * The first three write shell variables to OUT.  They end with 0 if they could do their work,
 * however the command has ended.
 */

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "soak/marked.h"

#define SAMPLE_MS 100
#define LOOK_MS 2         /* between looks whether something has come about */
#define PATIENCE_MS 60000 /* for a command that has been struck */
#define LONG_MS 600000    /* for one that goes on to its end */
#define ORPHANS_MS 5000   /* for what outlives it */

static int complain(const char *what)
{
    fprintf(stderr, "soak_tool: %s: %s\n", what, strerror(errno));
    return 70;
}

static void print_status(FILE *out, int status)
{
    fprintf(out, "EXIT=%d\nENDED_BY=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* watch */

struct samples {
    uint64_t *kib;
    size_t count, room;
};

static void add_sample(struct samples *samples, uint64_t kib)
{
    if (samples->count == samples->room) {
        samples->room = samples->room == 0 ? 1024 : samples->room * 2;
        samples->kib = realloc(samples->kib, samples->room * sizeof(*samples->kib));
        if (samples->kib == NULL)
            exit(complain("samples"));
    }
    samples->kib[samples->count++] = kib;
}

static uint64_t most_of(const struct samples *samples, size_t from, size_t to)
{
    uint64_t most = 0;
    for (size_t i = from; i < to && i < samples->count; i++)
        if (samples->kib[i] > most)
            most = samples->kib[i];
    return most;
}

static int watch(int argc, char **argv)
{
    struct marked marked;
    struct samples samples = {0};
    FILE *out = argc > 3 ? fopen(argv[2], "w") : NULL;
    if (out == NULL || !marked_start(&marked, argv + 3))
        return complain("watch");
    const int64_t start = now_ms();
    while (!marked_ends(&marked, SAMPLE_MS))
        add_sample(&samples, marked_rss_kib(&marked));
    const int64_t took = now_ms() - start;
    print_status(out, marked_status(&marked));
    fprintf(out, "TOOK_MS=%lld\nLEFT=%zu\n", (long long)took, marked_gone(&marked, ORPHANS_MS));
    const size_t n = samples.count;
    fprintf(out, "EARLY_KIB=%llu\nLATE_KIB=%llu\nPEAK_KIB=%llu\n",
            (unsigned long long)most_of(&samples, 0, n / 4 + 1),
            (unsigned long long)most_of(&samples, n - n / 4, n),
            (unsigned long long)most_of(&samples, 0, n));
    free(samples.kib);
    return fclose(out) == 0 ? 0 : complain(argv[2]);
}

/* strike */

struct strike {
    int signal;
    const char *when;   /* NULL: at once */
    const char *victim; /* NULL: the command */
    int after_ms, again_ms;
};

static int signal_named(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"KILL", SIGKILL}, {"INT", SIGINT}, {"TERM", SIGTERM}, {"ABRT", SIGABRT}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].number;
    return 0;
}

static bool parse_strike(int argc, char **argv, struct strike *strike)
{
    static const struct option known[] = {
        {"signal", required_argument, NULL, 's'}, {"when", required_argument, NULL, 'w'},
        {"after", required_argument, NULL, 'a'},  {"victim", required_argument, NULL, 'v'},
        {"again", required_argument, NULL, 'g'},  {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
        if (c == 's')
            strike->signal = signal_named(optarg);
        else if (c == 'w')
            strike->when = optarg;
        else if (c == 'a')
            strike->after_ms = atoi(optarg);
        else if (c == 'v')
            strike->victim = optarg;
        else if (c == 'g')
            strike->again_ms = atoi(optarg);
        else
            return false;
    }
    return strike->signal != 0 && optind < argc;
}

static bool has_come(const struct marked *marked, const struct strike *strike, pid_t *victim)
{
    struct stat info;
    if (strike->when != NULL && (stat(strike->when, &info) != 0 || info.st_size == 0))
        return false;
    *victim = strike->victim == NULL ? marked->pid : marked_labelled(marked, strike->victim);
    return *victim != 0;
}

/* The victim, or 0 when the command ended before its time had come. */
static pid_t await_moment(const struct marked *marked, const struct strike *strike)
{
    pid_t victim = 0;
    while (!has_come(marked, strike, &victim))
        if (marked_ends(marked, LOOK_MS))
            return 0;
    return marked_ends(marked, strike->after_ms) ? 0 : victim;
}

static void carry_out(const struct marked *marked, const struct strike *strike, FILE *out)
{
    const pid_t victim = await_moment(marked, strike);
    const int64_t struck = now_ms();
    if (victim != 0)
        kill(victim, strike->signal);
    int64_t last = struck;
    if (strike->again_ms > 0 && !marked_ends(marked, strike->again_ms)) {
        last = now_ms();
        kill(marked->pid, strike->signal);
    }
    const bool hung = !marked_ends(marked, PATIENCE_MS);
    if (hung)
        marked_kill_all(marked);
    const int64_t ended = now_ms();
    print_status(out, marked_status(marked));
    const size_t left = marked_gone(marked, ORPHANS_MS);
    fprintf(out, "VICTIM=%ld\nHUNG=%d\nTOOK_MS=%lld\nAFTER_LAST_MS=%lld\nGONE_MS=%lld\nLEFT=%zu\n",
            (long)victim, hung, (long long)(ended - struck), (long long)(ended - last),
            (long long)(now_ms() - struck), left);
    marked_kill_all(marked);
}

static int strike(int argc, char **argv)
{
    struct strike what = {.signal = SIGKILL};
    struct marked marked;
    FILE *out = argc > 3 ? fopen(argv[2], "w") : NULL;
    if (out == NULL || !parse_strike(argc - 2, argv + 2, &what))
        return complain("strike");
    if (!marked_start(&marked, argv + 2 + optind))
        return complain(argv[2 + optind]);
    carry_out(&marked, &what, out);
    return fclose(out) == 0 ? 0 : complain(argv[2]);
}

/* hail */

struct hail {
    char **labels;
    size_t label_count;
    long times, ms;
};

static bool parse_hail(int argc, char **argv, struct hail *hail, char ***command)
{
    int i = 6;
    if (argc < 9)
        return false;
    *hail = (struct hail){
        .labels = argv + 6, .times = strtol(argv[4], NULL, 10), .ms = strtol(argv[5], NULL, 10)};
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        hail->label_count++;
    *command = argv + i + 1;
    return hail->ms > 0 && hail->label_count > 0 && i + 1 < argc;
}

/* Kills that found their victim. */
static long rain(const struct marked *marked, const struct hail *hail)
{
    unsigned seed = (unsigned)now_ms();
    long killed = 0;
    while (killed < hail->times && !marked_ends(marked, rand_r(&seed) % (int)(2 * hail->ms) + 1)) {
        const char *label = hail->labels[(size_t)rand_r(&seed) % hail->label_count];
        const pid_t victim = marked_labelled(marked, label);
        if (victim != 0 && kill(victim, SIGKILL) == 0)
            killed++;
    }
    return killed;
}

static int hail(int argc, char **argv)
{
    struct hail what;
    struct marked marked;
    char **command;
    FILE *out = argc > 3 ? fopen(argv[2], "w") : NULL;
    if (out == NULL || !parse_hail(argc, argv, &what, &command) || !marked_start(&marked, command))
        return complain("hail");
    const int64_t start = now_ms();
    (void)await_moment(&marked, &(struct strike){.when = argv[3]});
    const long killed = rain(&marked, &what);
    const int64_t last = now_ms();
    const bool hung = !marked_ends(&marked, LONG_MS);
    const int64_t ended = now_ms();
    if (hung)
        marked_kill_all(&marked);
    print_status(out, marked_status(&marked));
    fprintf(out, "KILLED=%ld\nHUNG=%d\nTOOK_MS=%lld\nAFTER_LAST_MS=%lld\nLEFT=%zu\n", killed, hung,
            (long long)(ended - start), (long long)(ended - last),
            marked_gone(&marked, ORPHANS_MS));
    marked_kill_all(&marked);
    return fclose(out) == 0 ? 0 : complain(argv[2]);
}

/* field */

static json_t *load_report(const char *path)
{
    json_error_t why;
    FILE *file = fopen(path, "r");
    json_t *json = NULL;
    char *line = NULL;
    size_t room = 0;
    while (file != NULL && json == NULL) {
        const long at = ftell(file);
        if (getline(&line, &room, file) < 0)
            break;
        if (line[0] != '{' || fseek(file, at, SEEK_SET) != 0)
            continue;
        json = json_loadf(file, JSON_DISABLE_EOF_CHECK, &why);
        if (json == NULL)
            break;
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return json;
}

static const json_t *step(const json_t *json, const char *key)
{
    if (json_is_object(json))
        return json_object_get(json, key);
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *entry = json_array_get(json, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name != NULL && strcmp(name, key) == 0)
            return entry;
    }
    return NULL;
}

static int field(int argc, char **argv)
{
    json_t *json = argc > 3 ? load_report(argv[2]) : NULL;
    const json_t *value = json;
    for (int i = 3; i < argc; i++)
        value = step(value, argv[i]);
    if (json_is_string(value))
        puts(json_string_value(value));
    else if (value != NULL &&
             json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) == 0)
        putchar('\n');
    else
        fprintf(stderr, "soak_tool: %s has no such value\n", argc > 2 ? argv[2] : "nothing");
    json_decref(json);
    return value != NULL ? 0 : 1;
}

/* counts */

static void print_counts(const json_t *list, const char *const *keys)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        printf("%s", json_string_value(json_object_get(entry, "name")));
        for (size_t k = 0; keys[k] != NULL; k++)
            printf(" %s=%lld", keys[k],
                   (long long)json_integer_value(json_object_get(entry, keys[k])));
        putchar('\n');
    }
}

static int counts(int argc, char **argv)
{
    static const char *const of_stages[] = {"in",       "out",     "bytes_in", "bytes_out",
                                            "filtered", "skipped", "routed",   "failed",
                                            "unkeyed",  "dropped", "unread",   NULL};
    static const char *const of_edges[] = {"sent", "received", "dropped", "bytes", NULL};
    json_t *report = argc > 2 ? load_report(argv[2]) : NULL;
    if (report == NULL)
        return complain("counts");
    print_counts(json_object_get(report, "stages"), of_stages);
    print_counts(json_object_get(report, "edges"), of_edges);
    json_decref(report);
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "watch") == 0)
        return watch(argc, argv);
    if (strcmp(verb, "strike") == 0)
        return strike(argc, argv);
    if (strcmp(verb, "hail") == 0)
        return hail(argc, argv);
    if (strcmp(verb, "field") == 0)
        return field(argc, argv);
    if (strcmp(verb, "counts") == 0)
        return counts(argc, argv);
    fputs("usage: soak_tool watch|strike|hail|field|counts ...\n", stderr);
    return 2;
}
