/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_code.h"
#include "help.h"
#include "say.h"
#include "suggest.h"

struct parser {
    int argc;
    char **argv;
    int at; /* in argv, of the next word */
    const struct verb *verbs;
    struct arguments *to;
    unsigned seen;           /* options, to be checked when the verb is known */
    const char *operands[3]; /* the verb and two more */
    size_t operand_count;
};

static bool is_name(const char *name, const char *word, size_t size)
{
    return strlen(name) == size && memcmp(name, word, size) == 0;
}

static const struct option *find_long(const char *word, size_t size)
{
    const struct option *option = all_options();
    while (option->name != NULL && !is_name(option->name, word, size))
        option++;
    return option->name != NULL ? option : NULL;
}

static const struct option *find_letter(char letter)
{
    const struct option *option = all_options();
    while (option->name != NULL && option->letter != letter)
        option++;
    return option->name != NULL ? option : NULL;
}

static bool refuse_unknown(const char *word)
{
    struct suggestion close = {.word = word + strspn(word, "-")};
    for (const struct option *option = all_options(); option->name != NULL; option++)
        suggestion_offer(&close, option->name);
    if (close.best != NULL)
        return say_error("unknown option '%s'; did you mean '--%s'?", word, close.best);
    return say_error("unknown option '%s'; flowrun --help lists what there is", word);
}

/* ---- values ---- */

/* The word of "a|b|c" that equals `value`, as its index; -1: none does. */
static int choice_of(const char *choices, const char *value)
{
    int index = 0;
    for (const char *word = choices; word != NULL; index++) {
        const char *bar = strchr(word, '|');
        if (is_name(value, word, bar != NULL ? (size_t)(bar - word) : strlen(word)))
            return index;
        word = bar != NULL ? bar + 1 : NULL;
    }
    return -1;
}

static bool check_value(const struct option *option, const char *value)
{
    if (option->choices != NULL && choice_of(option->choices, value) < 0)
        return say_error("--%s takes one of %s, not '%s'", option->name, option->choices, value);
    if (strchr(option->value, '=') != NULL && (strchr(value, '=') == NULL || *value == '='))
        return say_error("--%s takes %s, not '%s'", option->name, option->value, value);
    return true;
}

static void append(struct text_list *list, const char *value)
{
    list->items[list->count++] = value;
}

/* Options that are there or not. */
static void apply_flag(struct arguments *to, enum option_id id)
{
    bool *const flags[] = {&to->no_stack, &to->resume, &to->quiet,
                           &to->json,     &to->tap,    &to->markdown};
    static const enum option_id ids[] = {OPTION_NO_STACK, OPTION_RESUME, OPTION_QUIET,
                                         OPTION_JSON,     OPTION_TAP,    OPTION_MARKDOWN};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (ids[i] == id)
            *flags[i] = true;
}

static void apply(struct arguments *to, const struct option *option, const char *value)
{
    switch (option->id) {
    case OPTION_PARAM:
        append(&to->params, value);
        break;
    case OPTION_SET:
        append(&to->sets, value);
        break;
    case OPTION_WORKERS:
        append(&to->workers, value);
        break;
    case OPTION_MODE:
        to->mode = value;
        break;
    case OPTION_FUSE:
        to->fuse = value;
        break;
    case OPTION_PIN:
        to->pin = value;
        break;
    case OPTION_STALL:
        to->stall = value;
        break;
    case OPTION_STATE:
        to->state = value;
        break;
    case OPTION_CHECKPOINT:
        to->checkpoint = value;
        break;
    case OPTION_SECONDS:
        to->seconds = value;
        break;
    case OPTION_REPORT:
        to->report = (enum report_form)(REPORT_TEXT + choice_of(option->choices, value));
        break;
    case OPTION_FORMAT:
        to->format = value;
        break;
    case OPTION_OUTPUT:
        to->output = value;
        break;
    default:
        apply_flag(to, option->id);
        break;
    }
}

/* `value` is what was attached to the option, or NULL. */
static bool take_option(struct parser *parser, const struct option *option, const char *value)
{
    parser->seen |= option->id;
    if (option->value == NULL && value != NULL)
        return say_error("--%s takes no value", option->name);
    if (option->value != NULL && value == NULL) {
        if (parser->at == parser->argc)
            return say_error("--%s wants a value: %s", option->name,
                             option->choices != NULL ? option->choices : option->value);
        value = parser->argv[parser->at++];
    }
    if (option->value != NULL && !check_value(option, value))
        return false;
    apply(parser->to, option, value);
    return true;
}

/* ---- words ---- */

static bool take_long(struct parser *parser, const char *word)
{
    const char *equals = strchr(word, '=');
    const size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option *option = find_long(word + 2, size - 2);
    if (option != NULL)
        return take_option(parser, option, equals != NULL ? equals + 1 : NULL);

    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)size, word);
    return refuse_unknown(name);
}

/* "-q", "-o FILE", "-oFILE", "-qo FILE" */
static bool take_letters(struct parser *parser, const char *word)
{
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const struct option *option = find_letter(*letter);
        if (option == NULL)
            return refuse_unknown(word);
        const bool attached = option->value != NULL && letter[1] != '\0';
        if (!take_option(parser, option, attached ? letter + 1 : NULL))
            return false;
        if (option->value != NULL)
            return true;
    }
    return true;
}

static bool take_operand(struct parser *parser, const char *word)
{
    const size_t most = sizeof(parser->operands) / sizeof(parser->operands[0]);
    if (parser->operand_count == most)
        return say_error("'%s' is one word too many", word);
    parser->operands[parser->operand_count++] = word;
    return true;
}

static bool take_words(struct parser *parser)
{
    bool options = true;
    bool ok = true;
    while (parser->at < parser->argc && ok) {
        const char *word = parser->argv[parser->at++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0)
            ok = take_long(parser, word);
        else if (options && word[0] == '-' && word[1] != '\0')
            ok = take_letters(parser, word);
        else
            ok = take_operand(parser, word);
    }
    return ok;
}

/* ---- the verb ---- */

static const struct verb *find_verb(const struct verb *verbs, const char *word)
{
    while (verbs->name != NULL && strcmp(verbs->name, word) != 0)
        verbs++;
    return verbs->name != NULL ? verbs : NULL;
}

/* A word that is no verb is a graph, unless it is no file and looks like nothing but a verb. */
static bool refuse_non_file(const struct verb *verbs, const char *word)
{
    if (strcmp(word, "-") == 0 || strpbrk(word, "./") != NULL || access(word, F_OK) == 0)
        return true;
    struct suggestion close = {.word = word};
    for (; verbs->name != NULL; verbs++)
        suggestion_offer(&close, verbs->name);
    if (close.best != NULL)
        return say_error("'%s' is neither a verb nor a file; did you mean '%s'?", word, close.best);
    return say_error("'%s' is neither a verb nor a file; flowrun --help lists the verbs", word);
}

static bool choose_verb(struct parser *parser)
{
    const char *first = parser->operand_count > 0 ? parser->operands[0] : NULL;
    const struct verb *verb = first != NULL ? find_verb(parser->verbs, first) : NULL;
    size_t at = 1;
    if (verb == NULL) {
        verb = &parser->verbs[0];
        at = 0;
        if (first != NULL && !refuse_non_file(parser->verbs, first))
            return false;
    }

    parser->to->verb = verb;
    const size_t wanted = verb->second != NULL ? 2 : verb->operand != NULL ? 1 : 0;
    if (parser->operand_count > at + wanted)
        return say_error("'%s' is one word too many", parser->operands[at + wanted]);
    parser->to->operand = parser->operand_count > at ? parser->operands[at] : NULL;
    parser->to->second = parser->operand_count > at + 1 ? parser->operands[at + 1] : NULL;
    return true;
}

static bool check_verb(const struct parser *parser)
{
    const struct verb *verb = parser->to->verb;
    for (const struct option *option = all_options(); option->name != NULL; option++) {
        if ((parser->seen & option->id & ~verb->options) != 0)
            return say_error("'%s' takes no --%s; see flowrun %s --help", verb->name, option->name,
                             verb->name);
    }
    if (verb->operand != NULL && verb->operand[0] != '[' && parser->to->operand == NULL)
        return say_error("'%s' wants a %s; see flowrun %s --help", verb->name, verb->operand,
                         verb->name);
    if (verb->second != NULL && parser->to->second == NULL)
        return say_error("'%s %s' wants a %s; see flowrun %s --help", verb->name,
                         parser->to->operand, verb->second, verb->name);
    return true;
}

static bool make_lists(struct arguments *to, int argc)
{
    struct text_list *lists[] = {&to->params, &to->sets, &to->workers};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        lists[i]->items = calloc((size_t)argc + 1, sizeof(*lists[i]->items));
        if (lists[i]->items == NULL)
            return say_error("no memory");
    }
    return true;
}

/* Whether there is something to do beyond what has been printed. */
static bool parse(struct parser *parser, int *exit_code)
{
    *exit_code = EXIT_USAGE;
    if (parser->argc <= 1) {
        print_help(stderr, parser->verbs, NULL);
        return false;
    }
    if (!take_words(parser) || !choose_verb(parser))
        return false;

    if ((parser->seen & OPTION_HELP) != 0)
        print_help(stdout, parser->verbs, parser->operand_count > 0 ? parser->to->verb : NULL);
    else if ((parser->seen & OPTION_VERSION) != 0)
        (void)puts("flowrun " FLOWRUN_VERSION);
    else
        return check_verb(parser);
    *exit_code = EXIT_DONE;
    return false;
}

bool arguments_parse(int argc, char **argv, const struct verb *verbs, struct arguments *arguments,
                     int *exit_code)
{
    *arguments = (struct arguments){.format = "text"};
    struct parser parser = {.argc = argc, .argv = argv, .at = 1, .verbs = verbs, .to = arguments};
    *exit_code = EXIT_ENVIRONMENT;
    return make_lists(arguments, argc) && parse(&parser, exit_code);
}

void arguments_clear(struct arguments *arguments)
{
    free(arguments->params.items);
    free(arguments->sets.items);
    free(arguments->workers.items);
}
