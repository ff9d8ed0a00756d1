/* SPDX-License-Identifier: MIT */
#include "stage/type.h"

#include <string.h>

#include "base/utf8.h"
#include "param/param.h"

#define WORD_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* The size of the word that `text` begins with, 0 if none does. */
static size_t word_size(const char *text)
{
    return *text >= 'a' && *text <= 'z' ? strspn(text, WORD_LETTERS) : 0;
}

bool flow_type_name_valid(const char *name)
{
    size_t size = word_size(name);
    while (size > 0 && name[size] == '.') {
        name += size + 1;
        size = word_size(name);
    }
    return size > 0 && name[size] == '\0';
}

static bool is_line(const char *text)
{
    return text != NULL && *text != '\0' && strpbrk(text, "\r\n") == NULL &&
           flow_utf8_valid(text, strlen(text));
}

/* What is held is a record that `process` was handed; stages that take batches hold none. */
static enum flow_status check_waiting(const struct flow_stage_type *type, struct flow_error *err)
{
    if (flow_type_holds(type) && (type->traits & FLOW_LIGHT) != 0)
        return flow_fail(err, FLOW_EINVAL,
                         "it has 'ready', so it waits, and FLOW_LIGHT says that it never does");
    if ((type->drop != NULL || type->flush != NULL) && !flow_type_holds(type))
        return flow_fail(
            err, FLOW_EINVAL,
            "it has 'drop' or 'flush', but not both 'ready' and 'process', so it never "
            "holds a record");
    return FLOW_OK;
}

static enum flow_status check_callbacks(const struct flow_stage_type *type, struct flow_error *err)
{
    const bool takes = type->process != NULL || type->process_batch != NULL;
    if (type->role == FLOW_PRODUCER) {
        if (type->produce == NULL)
            return flow_fail(err, FLOW_EINVAL, "a producer needs the callback 'produce'");
        if (takes) {
            return flow_fail(err, FLOW_EINVAL,
                             "a producer takes no records, so it has neither 'process' nor "
                             "'process_batch'");
        }
        if (type->ready != NULL || type->drop != NULL || type->flush != NULL) {
            return flow_fail(err, FLOW_EINVAL,
                             "a producer waits with flow_wait, so it has none of 'ready', 'drop' "
                             "and 'flush'");
        }
        return FLOW_OK;
    }
    if (type->produce != NULL)
        return flow_fail(err, FLOW_EINVAL, "only a producer has the callback 'produce'");
    if (!takes)
        return flow_fail(err, FLOW_EINVAL, "it needs the callback 'process' or 'process_batch'");
    if (type->process != NULL && type->process_batch != NULL && type->ready == NULL)
        return flow_fail(err, FLOW_EINVAL,
                         "it has both 'process' and 'process_batch'; one of them is enough");
    return check_waiting(type, err);
}

static enum flow_status check_port(const struct flow_port *ports, const struct flow_port *port,
                                   struct flow_error *err)
{
    const size_t size = word_size(port->name);
    if (size == 0 || port->name[size] != '\0') {
        return flow_fail(err, FLOW_EINVAL,
                         "a port is named '%s'; a name has lower-case letters, digits and '_', "
                         "and begins with a letter",
                         port->name);
    }
    if (strcmp(port->name, "errors") == 0)
        return flow_fail(err, FLOW_EINVAL, "a port is named 'errors', which every stage has");
    for (const struct flow_port *other = ports; other != port; other++)
        if (strcmp(other->name, port->name) == 0)
            return flow_fail(err, FLOW_EINVAL, "two ports are named '%s'", port->name);
    if (!is_line(port->type))
        return flow_fail(err, FLOW_EINVAL, "port '%s' has no type", port->name);
    if (!is_line(port->help))
        return flow_fail(err, FLOW_EINVAL, "port '%s' needs a line of help in UTF-8", port->name);
    return FLOW_OK;
}

/* `what` are "inputs" or "outputs"; NULL `ports` stand for the usual one. */
static enum flow_status check_ports(const struct flow_port *ports, const char *what,
                                    struct flow_error *err)
{
    if (ports == NULL)
        return FLOW_OK;
    if (ports->name == NULL) {
        return flow_fail(err, FLOW_EINVAL,
                         "the table of %s is empty; without one there is the "
                         "usual port",
                         what);
    }
    enum flow_status rc = FLOW_OK;
    for (const struct flow_port *port = ports; port->name != NULL && rc == FLOW_OK; port++)
        rc = check_port(ports, port, err);
    return rc;
}

#define KNOWN_TRAITS                                                                               \
    ((unsigned)(FLOW_STATEFUL | FLOW_SINGLE | FLOW_LIGHT | FLOW_OUTSIDE | FLOW_ANSWERS))

static enum flow_status check_body(const struct flow_stage_type *type, struct flow_error *err)
{
    if (!is_line(type->help))
        return flow_fail(err, FLOW_EINVAL, "it needs a line of help in UTF-8");
    if ((unsigned)type->role > FLOW_EITHER)
        return flow_fail(err, FLOW_EINVAL, "its role is %d, which is none", (int)type->role);
    if ((type->traits & ~KNOWN_TRAITS) != 0)
        return flow_fail(err, FLOW_EINVAL,
                         "its traits are 0x%x; only FLOW_STATEFUL, FLOW_SINGLE, FLOW_LIGHT, "
                         "FLOW_OUTSIDE and FLOW_ANSWERS are known",
                         type->traits);
    if ((type->traits & FLOW_ANSWERS) != 0 && type->role != FLOW_PRODUCER)
        return flow_fail(err, FLOW_EINVAL, "FLOW_ANSWERS is of producers, and it is none");

    enum flow_status rc = check_callbacks(type, err);
    if (rc == FLOW_OK && type->role != FLOW_PRODUCER)
        rc = check_ports(type->inputs, "inputs", err);
    if (rc == FLOW_OK && type->role != FLOW_CONSUMER)
        rc = check_ports(type->outputs, "outputs", err);
    if (rc == FLOW_OK)
        rc = flow_params_validate(type->params, type->state_size, err);
    return rc;
}

enum flow_status flow_type_check(const struct flow_stage_type *type, struct flow_error *err)
{
    if (type->name == NULL || !flow_type_name_valid(type->name)) {
        return flow_fail(err, FLOW_EINVAL,
                         "a stage type is named '%s'; a name is a word or several with dots "
                         "between, as in 'lines.read', of lower-case letters, digits and '_'",
                         type->name != NULL ? type->name : "");
    }
    struct flow_error why = {0};
    const enum flow_status rc = check_body(type, &why);
    if (rc != FLOW_OK)
        return flow_fail(err, rc, "stage type '%s': %s", type->name, why.text);
    return FLOW_OK;
}
