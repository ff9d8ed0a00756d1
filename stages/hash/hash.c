/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <openssl/evp.h>
#include <xxhash.h>

#define DIGEST_MAX 64 /* bytes */

enum { XXH3, XXH128, MD5, SHA1, SHA256, SHA512, BLAKE2B };
enum { OF_RECORD, OF_KEY };
enum { TO_PREFIX, TO_SUFFIX, TO_REPLACE, TO_KEY };

struct hasher {
    int algorithm;
    int of;
    int to;
    char *separator;

    size_t separator_size;
    EVP_MD *digest; /* of libcrypto; NULL: one of xxHash's */
    EVP_MD_CTX *context;
};

static const struct flow_param params[] = {
    FLOW_PARAM_ENUM(struct hasher, algorithm, "xxh3", "xxh3|xxh128|md5|sha1|sha256|sha512|blake2b",
                    "xxh3 and xxh128 are fast, the others can be compared elsewhere"),
    FLOW_PARAM_ENUM(struct hasher, of, "record", "record|key", "what is hashed"),
    FLOW_PARAM_ENUM(struct hasher, to, "prefix", "prefix|suffix|replace|key",
                    "write it before or behind the record, instead of it, or as its key"),
    FLOW_PARAM_STR(struct hasher, separator, "  ", "stands between hash and record"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "each record with its hash in hexadecimal digits"},
    {NULL, NULL, NULL},
};

static enum flow_status hasher_open(void *self, struct flow_stage *stage)
{
    static const char *const names[] = {[MD5] = "MD5",
                                        [SHA1] = "SHA1",
                                        [SHA256] = "SHA256",
                                        [SHA512] = "SHA512",
                                        [BLAKE2B] = "BLAKE2B-512"};
    struct hasher *h = self;
    h->separator_size = strlen(h->separator);
    if (h->algorithm < MD5)
        return FLOW_OK;
    const char *name = names[h->algorithm];
    h->digest = EVP_MD_fetch(NULL, name, NULL);
    h->context = EVP_MD_CTX_new();
    if (h->digest == NULL)
        return flow_stage_fail(
            stage, FLOW_EIO, "libcrypto does not offer %s here; a FIPS configuration may forbid it",
            name);
    if (h->context == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %s", name);
    return FLOW_OK;
}

/* The digest in its canonical byte order; its size, 0 if libcrypto fails. */
static size_t digest(const struct hasher *h, const void *data, size_t size, unsigned char *out)
{
    if (h->algorithm == XXH3) {
        XXH64_canonical_t canonical;
        XXH64_canonicalFromHash(&canonical, XXH3_64bits(data, size));
        memcpy(out, &canonical, sizeof(canonical));
        return sizeof(canonical);
    }
    if (h->algorithm == XXH128) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
        memcpy(out, &canonical, sizeof(canonical));
        return sizeof(canonical);
    }
    unsigned written = 0;
    const bool good = EVP_DigestInit_ex2(h->context, h->digest, NULL) == 1 &&
                      EVP_DigestUpdate(h->context, data, size) == 1 &&
                      EVP_DigestFinal_ex(h->context, out, &written) == 1;
    return good ? written : 0;
}

/* The hash in hexadecimal digits, at most 2 * DIGEST_MAX; their number. */
static size_t put_hash(const struct hasher *h, const struct flow_record *record, char *out)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[DIGEST_MAX];
    const bool keyed = record->key_size > 0;
    const void *data = h->of == OF_RECORD ? record->data : keyed ? record->key : "";
    const size_t size =
        digest(h, data, h->of == OF_RECORD ? record->size : record->key_size, bytes);
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = hex[bytes[i] >> 4];
        out[2 * i + 1] = hex[bytes[i] & 15];
    }
    return size * 2;
}

/* Hash and record, one behind the other. */
static enum flow_status emit_both(const struct hasher *h, struct flow_stage *stage,
                                  const struct flow_record *record, uint32_t index,
                                  const char *hash, size_t hash_size)
{
    const size_t size = hash_size + h->separator_size + record->size;
    if (size > FLOW_RECORD_MAX - record->key_size)
        return flow_batch_reject(stage, index, "%zu bytes with its hash are more than a record has",
                                 size);
    char *to = flow_reserve(stage, 0, size);
    if (to == NULL)
        return FLOW_EABORT;
    const bool first = h->to == TO_PREFIX;
    char *at = first ? to : to + record->size;
    memcpy(first ? to + size - record->size : to, record->data, record->size);
    memcpy(first ? at : at + h->separator_size, hash, hash_size);
    memcpy(first ? at + hash_size : at, h->separator, h->separator_size);
    const struct flow_target target = {.key = record->key, .key_size = record->key_size};
    return flow_commit(stage, &target, size);
}

static enum flow_status hash_record(const struct hasher *h, struct flow_stage *stage,
                                    const struct flow_record *record, uint32_t index)
{
    char hash[2 * DIGEST_MAX];
    const size_t size = put_hash(h, record, hash);
    if (size == 0)
        return flow_stage_fail(stage, FLOW_EIO, "libcrypto could not hash a record of %zu bytes",
                               record->size);
    if (h->to == TO_KEY) {
        if (record->size > FLOW_RECORD_MAX - size)
            return flow_batch_reject(stage, index, "%zu bytes leave no room for a key",
                                     record->size);
        const struct flow_target target = {.key = hash, .key_size = size};
        return flow_emit_to(stage, &target, record->data, record->size);
    }
    if (h->to == TO_REPLACE) {
        const struct flow_target target = {.key = record->key, .key_size = record->key_size};
        return flow_emit_to(stage, &target, hash, size);
    }
    return emit_both(h, stage, record, index, hash, size);
}

static enum flow_status hasher_process_batch(void *self, struct flow_stage *stage,
                                             const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = hash_record(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void hasher_close(void *self, struct flow_stage *stage)
{
    struct hasher *h = self;
    (void)stage;
    EVP_MD_CTX_free(h->context);
    EVP_MD_free(h->digest);
}

static const struct flow_stage_type hasher = {
    .name = "hash",
    .help = "adds a hash of each record, or makes it the record or its key",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct hasher),
    .open = hasher_open,
    .process_batch = hasher_process_batch,
    .close = hasher_close,
};

FLOW_PLUGIN(&hasher);
