/* SPDX-License-Identifier: MIT */
#include "graph/schema.h"

#include <stddef.h>
#include <string.h>

#include "graph/node.h"
#include "param/param.h"

#define NAME "[A-Za-z_][A-Za-z0-9_-]*"
#define REFERENCE "\"type\": \"string\", \"pattern\": \"\\\\$\\\\{.+\\\\}\""
/* One of some words, with the attributes `more`; or a reference that becomes one. */
#define ONE_OF(words, more)                                                                        \
    "{ \"anyOf\": [ { \"enum\": [" words "] }, { " REFERENCE " } ]" more " }"
#define SIZE "\"pattern\": \"^[0-9]+(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$|\\\\$\\\\{.+\\\\}\""
#define FUSE                                                                                       \
    "{ \"anyOf\": [ { \"type\": \"boolean\" }, { \"const\": \"auto\" }, { " REFERENCE " } ],"      \
    "  \"default\": \"auto\" }"
#define CPUS "[0-9]+(-[0-9]+)?"
#define DURATION "[0-9]+(ns|us|ms|s|m|h)"

/* The parts of the schema that no stage type changes, each a JSON text. */
struct part {
    const char *name;
    const char *json;
};

static const struct part definitions[] = {
    {"name", "{ \"type\": \"string\", \"pattern\": \"^" NAME "$\", \"maxLength\": 64,"
             "  \"not\": { \"pattern\": \"^(x-|flowrun)\" } }"},
    {"size", "{ \"description\": \"bytes, as in 4096 or \\\"64KiB\\\"\","
             "  \"anyOf\": [ { \"type\": \"integer\", \"minimum\": 1 },"
             "               { \"type\": \"string\", " SIZE " } ] }"},
    {"duration", "{ \"type\": \"string\", \"description\": \"as in \\\"250ms\\\"\","
                 "  \"pattern\": \"^" DURATION "$|\\\\$\\\\{.+\\\\}\" }"},
    {"pin", ONE_OF("\"none\", \"compact\", \"spread\"", ", \"default\": \"none\"")},
    {"cpus", "{ \"type\": \"string\", \"description\": \"CPUs, as in \\\"0-3,6\\\"\","
             "  \"pattern\": \"^" CPUS "(," CPUS ")*$|\\\\$\\\\{.+\\\\}\" }"},
    {"param",
     "{ \"type\": \"object\", \"required\": [\"type\"], \"additionalProperties\": false,"
     "  \"properties\": {"
     "    \"type\": { \"enum\": [\"string\", \"int\", \"float\", \"bool\", \"size\", "
     "\"duration\"] "
     "},"
     "    \"default\": { \"description\": \"without one, --param must give the value\" },"
     "    \"help\": { \"type\": \"string\" },"
     "    \"secret\": { \"type\": \"boolean\", \"description\": \"never shown in messages\" } "
     "} }"},
    {"queue", "{ \"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
              "    \"items\": { \"description\": \"records\", \"anyOf\": [ { \"type\": \"integer\","
              "      \"minimum\": 1, \"maximum\": 4294967295 }, { " REFERENCE " } ] },"
              "    \"bytes\": { \"$ref\": \"#/$defs/size\" },"
              "    \"when_full\": " ONE_OF("\"block\", \"drop_new\", \"drop_old\", \"fail\"",
                                           ", \"default\": \"block\"") " } }"},
    {"ref", "{ \"type\": \"string\", \"description\": \"STAGE or STAGE.PORT\","
            "  \"pattern\": \"^" NAME "(\\\\.[^.]+)?$|\\\\$\\\\{.+\\\\}\" }"},
    {"edge",
     "{ \"anyOf\": [ { \"$ref\": \"#/$defs/ref\" },"
     "  { \"type\": \"object\", \"required\": [\"stage\"], \"additionalProperties\": false,"
     "    \"properties\": {"
     "      \"stage\": { \"$ref\": \"#/$defs/ref\" },"
     "      \"share\": " ONE_OF(
         "\"balance\", \"key\", \"all\"",
         ", \"default\": \"balance\"") ","
                                       "      \"key\": { \"type\": \"string\", "
                                       "\"description\": "
                                       "\"a JSON pointer\","
                                       "                 \"pattern\": "
                                       "\"^(/.*)?$|\\\\$\\\\{.+\\\\}\" },"
                                       "      \"queue\": { \"$ref\": \"#/$defs/queue\" } },"
                                       "    \"dependentRequired\": { \"key\": [\"share\"] } } "
                                       "] }"},
    {"source", "{ \"anyOf\": [ { \"$ref\": \"#/$defs/edge\" }, { \"type\": \"array\","
               "  \"minItems\": 1, \"items\": { \"$ref\": \"#/$defs/edge\" } } ] }"},
    {"errors",
     "{ \"anyOf\": [ { \"enum\": [\"stop\", \"skip\", \"route\"] },"
     "  { \"type\": \"object\", \"required\": [\"retry\"], \"additionalProperties\": false,"
     "    \"properties\": {"
     "      \"retry\": { \"anyOf\": [ { \"type\": \"integer\", \"minimum\": 0,"
     "        \"maximum\": 1000 }, { " REFERENCE " } ] },"
     "      \"backoff\": { \"type\": \"string\", \"pattern\": \"^" DURATION "(\\\\.\\\\." DURATION
     ")?$|\\\\$\\\\{.+\\\\}\" },"
     "      \"then\": " ONE_OF("\"stop\", \"skip\", \"route\"",
                               ", \"default\": \"stop\"") " } },"
                                                          "  { " REFERENCE " } ] }"},
    {"restart", "{ \"anyOf\": [ { \"type\": \"boolean\" },"
                "  { \"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
                "      \"tries\": { \"anyOf\": [ { \"type\": \"integer\", \"minimum\": 1,"
                "        \"maximum\": 1000000 }, { " REFERENCE " } ] },"
                "      \"window\": { \"$ref\": \"#/$defs/duration\" },"
                "      \"backoff\": { \"$ref\": \"#/$defs/duration\" },"
                "      \"max\": { \"$ref\": \"#/$defs/duration\" } } },"
                "  { " REFERENCE " } ], \"default\": true }"},
    {"delivery", ONE_OF("\"none\", \"at-most-once\", \"at-least-once\", \"exactly-once\"", "")},
    {"run",
     "{ \"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
     "    \"pin\": { \"$ref\": \"#/$defs/pin\" },"
     "    \"mode\": " ONE_OF(
         "\"threads\", \"processes\"",
         ", \"default\": \"threads\"") ","
                                       "    \"memory\": { \"$ref\": \"#/$defs/size\" },"
                                       "    \"drain\": { \"$ref\": \"#/$defs/duration\" },"
                                       "    \"stall\": { \"$ref\": \"#/$defs/duration\" },"
                                       "    \"on_stall\": " ONE_OF(
                                           "\"warn\", \"stop\"",
                                           ", \"default\": \"warn\"") ","
                                                                      "    \"fuse\": " FUSE ","
                                                                      "    \"state\": { "
                                                                      "\"type\": [\"string\", "
                                                                      "\"boolean\"], "
                                                                      "\"minLength\": 1 },"
                                                                      "    \"checkpoint\": { "
                                                                      "\"$ref\": "
                                                                      "\"#/$defs/duration\" },"
                                                                      "    "
                                                                      "\"delivery\": " ONE_OF(
                                                                          "\"none\", "
                                                                          "\"at-most-once\", "
                                                                          "\"at-least-once\", "
                                                                          "\"exactly-once\"",
                                                                          ", \"default\": "
                                                                          "\"none\"") " } }"},
    {"expect", "{ \"anyOf\": [ { \"type\": \"array\" },"
               "  { \"type\": \"object\", \"additionalProperties\": false, \"minProperties\": 1,"
               "    \"properties\": {"
               "    \"records\": { \"type\": \"array\" },"
               "    \"unordered\": { \"type\": \"array\" },"
               "    \"contains\": {},"
               "    \"matches\": { \"anyOf\": [ { \"type\": \"string\" },"
               "      { \"type\": \"array\", \"items\": { \"type\": \"string\" } } ] },"
               "    \"count\": { \"type\": \"integer\", \"minimum\": 0 } } } ] }"},
    {"test",
     "{ \"type\": \"object\", \"required\": [\"name\", \"expect\"],"
     "  \"additionalProperties\": false, \"patternProperties\": { \"^x-\": {} },"
     "  \"properties\": {"
     "  \"name\": { \"type\": \"string\" },"
     "  \"params\": { \"type\": \"object\" },"
     "  \"env\": { \"type\": \"object\", \"additionalProperties\": { \"type\": \"string\" } },"
     "  \"feed\": { \"type\": \"object\", \"additionalProperties\": { \"type\": \"array\" } },"
     "  \"expect\": { \"type\": \"object\","
     "    \"additionalProperties\": { \"$ref\": \"#/$defs/expect\" } },"
     "  \"faults\": { \"type\": \"array\", \"items\": { \"$ref\": \"#/$defs/fault\" } },"
     "  \"within\": { \"$ref\": \"#/$defs/duration\" } } }"},
    {"fault", "{ \"type\": \"object\", \"required\": [\"stage\", \"record\", \"do\"],"
              "  \"additionalProperties\": false, \"patternProperties\": { \"^x-\": {} },"
              "  \"properties\": {"
              "  \"stage\": { \"type\": \"string\" },"
              "  \"record\": { \"type\": \"integer\", \"minimum\": 0 },"
              "  \"do\": { \"enum\": [\"fail\", \"kill\", \"delay\"] },"
              "  \"times\": { \"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000 },"
              "  \"for\": { \"$ref\": \"#/$defs/duration\" },"
              "  \"reason\": { \"type\": \"string\" } } }"},
    {"defaults", "{ \"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
                 "    \"queue\": { \"$ref\": \"#/$defs/queue\" },"
                 "    \"errors\": { \"$ref\": \"#/$defs/errors\" } } }"},
};

/* "use" and "allOf" are put in for the types that are known. */
static const char stage_text[] =
    "{ \"type\": \"object\", \"required\": [\"use\"], \"additionalProperties\": false,"
    "  \"patternProperties\": { \"^x-\": {} },"
    "  \"properties\": {"
    "    \"with\": { \"type\": \"object\" },"
    "    \"from\": { \"$ref\": \"#/$defs/source\" },"
    "    \"inputs\": { \"type\": \"object\", \"minProperties\": 1,"
    "      \"additionalProperties\": { \"$ref\": \"#/$defs/source\" } },"
    "    \"workers\": { \"anyOf\": [ { \"type\": \"integer\", \"minimum\": 1, \"maximum\": 1024 },"
    "      { \"const\": \"auto\" }, { " REFERENCE " } ], \"default\": 1 },"
    "    \"cpus\": { \"$ref\": \"#/$defs/cpus\" },"
    "    \"order\": " ONE_OF(
        "\"input\", \"key\", \"none\"",
        ", \"default\": \"input\"") ","
                                    "    \"errors\": { \"$ref\": \"#/$defs/errors\" },"
                                    "    \"isolate\": { \"anyOf\": [ { \"type\": \"boolean\" }, "
                                    "{ " REFERENCE " } ],"
                                    "      \"default\": false },"
                                    "    \"fuse\": " FUSE ","
                                    "    \"restart\": { \"$ref\": \"#/$defs/restart\" },"
                                    "    \"delivery\": { \"$ref\": \"#/$defs/delivery\" },"
                                    "    \"timeout\": { \"$ref\": \"#/$defs/duration\" },"
                                    "    \"spool\": { \"anyOf\": [ { \"type\": \"boolean\" }, "
                                    "{ \"$ref\": \"#/$defs/size\" } ], \"default\": false },"
                                    "    \"description\": { \"type\": \"string\" } },"
                                    "  \"not\": { \"required\": [\"from\", \"inputs\"] } }";

static const char root_text[] =
    "{ \"$schema\": \"https://json-schema.org/draft/2020-12/schema\","
    "  \"title\": \"flowrun graph, format 1\","
    "  \"type\": \"object\", \"required\": [\"flowrun\", \"stages\"],"
    "  \"additionalProperties\": false, \"patternProperties\": { \"^x-\": {} },"
    "  \"properties\": {"
    "    \"$schema\": { \"type\": \"string\" },"
    "    \"flowrun\": { \"const\": 1 },"
    "    \"name\": { \"type\": \"string\" },"
    "    \"description\": { \"type\": \"string\" },"
    "    \"plugins\": { \"type\": \"array\", \"items\": { \"type\": \"string\" } },"
    "    \"params\": { \"type\": \"object\","
    "      \"propertyNames\": { \"$ref\": \"#/$defs/name\" },"
    "      \"additionalProperties\": { \"$ref\": \"#/$defs/param\" } },"
    "    \"defaults\": { \"$ref\": \"#/$defs/defaults\" },"
    "    \"stages\": { \"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 10000,"
    "      \"propertyNames\": { \"$ref\": \"#/$defs/name\" },"
    "      \"additionalProperties\": { \"$ref\": \"#/$defs/stage\" } },"
    "    \"ports\": { \"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "      \"in\": { \"type\": \"object\", \"additionalProperties\": { \"anyOf\": ["
    "        { \"type\": \"string\" }, { \"type\": \"array\","
    "          \"items\": { \"type\": \"string\" } } ] } },"
    "      \"out\": { \"type\": \"object\","
    "        \"additionalProperties\": { \"type\": \"string\" } } } },"
    "    \"tests\": { \"type\": \"array\", \"maxItems\": 1000,"
    "      \"items\": { \"$ref\": \"#/$defs/test\" } },"
    "    \"spool\": { \"anyOf\": [ { \"type\": \"boolean\" }, { \"$ref\": \"#/$defs/size\" } ],"
    "      \"default\": false },"
    "    \"run\": { \"$ref\": \"#/$defs/run\" } } }";

static json_t *load(const char *text)
{
    struct flow_diag diag = {.text = text, .text_size = strlen(text)};
    struct flow_node root = {0};
    json_t *json = flow_node_read(&diag, text, &root);
    flow_node_clear(&root);
    flow_diag_clear(&diag);
    return json;
}

/* What a stage of one type must look like. */
static json_t *type_rule(const struct flow_stage_type *type)
{
    json_t *with = flow_params_schema(type->params);
    if (with == NULL)
        return NULL;
    const bool required = json_object_get(with, "required") != NULL;
    json_t *rule =
        json_pack("{s:{s:{s:{s:s}},s:[s]},s:{s:{s:o}}}", "if", "properties", "use", "const",
                  type->name, "required", "use", "then", "properties", "with", with);
    if (rule != NULL && required &&
        json_object_set_new(json_object_get(rule, "then"), "required", json_pack("[s]", "with"))) {
        json_decref(rule);
        rule = NULL;
    }
    return rule;
}

/* Add one known type to the words that "use" may be and to the rules.  Nonzero: memory is short. */
static int add_type(const struct flow_stage_type *type, json_t *words, json_t *rules)
{
    json_t *word = json_pack("{s:s,s:s*}", "const", type->name, "description", type->help);
    int rc = json_array_append_new(words, word);
    if (rc == 0)
        rc = json_array_append_new(rules, type_rule(type));
    return rc;
}

/* The definition of a stage, with "use" and "with" of all types. */
static json_t *stage_schema(const struct flow_types *types)
{
    json_t *stage = load(stage_text);
    json_t *words =
        json_pack("[{s:s,s:s,s:s}]", "type", "string", "pattern", "/|\\$\\{.+\\}", "description",
                  "a plugin: ./plugin.so or ./plugin.so:type; or a graph: ./part.json");
    json_t *rules = json_array();
    int rc = stage == NULL || words == NULL || rules == NULL;

    const char *const *names = rc == 0 ? types->names(types->context) : NULL;
    for (; names != NULL && *names != NULL && rc == 0; names++) {
        const struct flow_stage_type *type = types->find(types->context, *names, ".", NULL);
        if (type != NULL)
            rc = add_type(type, words, rules);
    }
    if (rc == 0)
        rc = json_object_set_new(json_object_get(stage, "properties"), "use",
                                 json_pack("{s:O}", "anyOf", words));
    if (rc == 0 && json_array_size(rules) > 0)
        rc = json_object_set(stage, "allOf", rules);
    json_decref(words);
    json_decref(rules);
    if (rc != 0) {
        json_decref(stage);
        stage = NULL;
    }
    return stage;
}

json_t *flow_graph_schema(const struct flow_types *types, struct flow_error *err)
{
    json_t *root = load(root_text);
    json_t *defs = json_object();
    int rc = root == NULL || defs == NULL;
    for (size_t i = 0; i < sizeof(definitions) / sizeof(definitions[0]) && rc == 0; i++)
        rc = json_object_set_new(defs, definitions[i].name, load(definitions[i].json));
    if (rc == 0)
        rc = json_object_set_new(defs, "stage", stage_schema(types));
    if (rc == 0)
        rc = json_object_set(root, "$defs", defs);
    json_decref(defs);
    if (rc == 0)
        return root;
    json_decref(root);
    (void)flow_fail(err, FLOW_ENOMEM, "out of memory for the schema");
    return NULL;
}
