/* SPDX-License-Identifier: MIT */
#include "stage/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "stage/type.h"

#define REBUILD "; build it again with the headers of this flowrun"

static enum flow_status check_layout(const struct flow_plugin *plugin, const char *path,
                                     struct flow_error *err)
{
    if (plugin->abi != FLOW_ABI) {
        return flow_fail(err, FLOW_EPROTO,
                         "plugin '%s' is of ABI %u, this flowrun has ABI %u" REBUILD, path,
                         plugin->abi, (unsigned)FLOW_ABI);
    }

    const struct {
        const char *name;
        size_t theirs, ours;
    } sizes[] = {
        {"flow_stage_type", plugin->type_size, sizeof(struct flow_stage_type)},
        {"flow_param", plugin->param_size, sizeof(struct flow_param)},
        {"flow_record", plugin->record_size, sizeof(struct flow_record)},
        {"flow_batch", plugin->batch_size, sizeof(struct flow_batch)},
        {"flow_stage", plugin->stage_size, sizeof(struct flow_stage)},
        {"flow_room_", plugin->room_size, sizeof(struct flow_room_)},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (sizes[i].theirs != sizes[i].ours) {
            return flow_fail(
                err, FLOW_EPROTO,
                "plugin '%s' has a struct %s of %zu bytes, this flowrun one of %zu" REBUILD, path,
                sizes[i].name, sizes[i].theirs, sizes[i].ours);
        }
    }
    return FLOW_OK;
}

enum flow_status flow_plugin_check(const struct flow_plugin *plugin, const char *path,
                                   struct flow_error *err)
{
    enum flow_status rc = check_layout(plugin, path, err);
    if (rc != FLOW_OK)
        return rc;
    if (plugin->types == NULL || plugin->types[0] == NULL)
        return flow_fail(err, FLOW_EINVAL,
                         "plugin '%s' has no stage types; name them in FLOW_PLUGIN", path);

    for (size_t i = 0; plugin->types[i] != NULL; i++) {
        struct flow_error why = {0};
        rc = flow_type_check(plugin->types[i], &why);
        if (rc != FLOW_OK)
            return flow_fail(err, rc, "plugin '%s': %s", path, why.text);
        if (flow_plugin_find(plugin, plugin->types[i]->name) != plugin->types[i])
            return flow_fail(err, FLOW_EINVAL, "plugin '%s' has two stage types named '%s'", path,
                             plugin->types[i]->name);
    }
    return FLOW_OK;
}

/* dlopen would search for, wait on or quietly accept what is not a plain file. */
static enum flow_status check_file(const char *path, struct flow_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        char text[128];
        return flow_fail(err, FLOW_EIO, "cannot load plugin '%s': %s", path,
                         strerror_r(errno, text, sizeof(text)));
    }
    if (!S_ISREG(status.st_mode))
        return flow_fail(err, FLOW_EIO, "cannot load plugin '%s': it is not a file", path);
    return FLOW_OK;
}

/* Why dlopen failed, without the path that it likes to put first. */
static const char *load_error(const char *path)
{
    const char *why = dlerror(); /* NOLINT(concurrency-mt-unsafe): glibc keeps it per thread */
    if (why == NULL)
        return "the system gives no reason";
    const size_t size = strlen(path);
    return strncmp(why, path, size) == 0 && strncmp(why + size, ": ", 2) == 0 ? why + size + 2
                                                                              : why;
}

enum flow_status flow_plugin_open(const char *path, struct flow_opened *opened,
                                  struct flow_error *err)
{
    enum flow_status rc = check_file(path, err);
    if (rc != FLOW_OK)
        return rc;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return flow_fail(err, FLOW_EIO,
                         "cannot load plugin '%s': %s; a plugin is a shared object built for this "
                         "machine (cc -shared -fPIC)",
                         path, load_error(path));
    }

    const struct flow_plugin *plugin = dlsym(handle, FLOW_PLUGIN_SYMBOL);
    if (plugin == NULL) {
        rc = flow_fail(err, FLOW_EPROTO,
                       "'%s' is a library but no plugin: it exports no '%s'; a plugin ends with "
                       "FLOW_PLUGIN(&type);",
                       path, FLOW_PLUGIN_SYMBOL);
        goto fail;
    }
    rc = flow_plugin_check(plugin, path, err);
    if (rc != FLOW_OK)
        goto fail;
    *opened = (struct flow_opened){.handle = handle, .plugin = plugin};
    return FLOW_OK;

fail:
    (void)dlclose(handle);
    return rc;
}

void flow_plugin_close(struct flow_opened *opened)
{
    if (opened->handle != NULL)
        (void)dlclose(opened->handle);
    *opened = (struct flow_opened){0};
}

const struct flow_stage_type *flow_plugin_find(const struct flow_plugin *plugin, const char *name)
{
    for (size_t i = 0; plugin->types[i] != NULL; i++)
        if (strcmp(plugin->types[i]->name, name) == 0)
            return plugin->types[i];
    return NULL;
}
