/* SPDX-License-Identifier: MIT */

/*
 * json_get [NAME|INDEX]...: read a JSON text from standard input and print what the path leads to,
 * a string as it is, all else as compact JSON.  Exits with 1 when the text is not JSON or nothing
 * is there.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *step(json_t *from, const char *name)
{
    if (json_is_array(from))
        return json_array_get(from, (size_t)strtoul(name, NULL, 10));
    return json_object_get(from, name);
}

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *text = json_loadf(stdin, JSON_DECODE_ANY, &error);
    if (text == NULL) {
        (void)fprintf(stderr, "json_get: %d:%d: %s\n", error.line, error.column, error.text);
        return 1;
    }

    json_t *value = text;
    for (int i = 1; i < argc && value != NULL; i++)
        value = step(value, argv[i]);
    if (json_is_string(value))
        (void)puts(json_string_value(value));
    else if (value != NULL && json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        (void)puts("");
    const int code = value != NULL ? 0 : 1;
    json_decref(text);
    return code;
}
