/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_file.c - seals letters and appends them in groups. */
#include "operators/dead_letter_file.h"

#include <sys/stat.h>

#include "engine/arena.h"
#include "engine/base64.h"
#include "engine/crash.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/log.h"
#include "engine/memory.h"
#include "engine/receipt.h"
#include "operators/blob_row.h"
#include "vault/seal.h"

enum {
    LETTER_FRAME_BYTES = 1024, /* of a letter's JSON beside its payload: names have 128 characters, reasons are short */
    SCRATCH_MAX_BYTES = 1024 * 1024 * 1024,
    SCRATCH_KEPT_BYTES = 1024 * 1024,
    WAITS_FIRST = 64,
};

/* A receipt that waits until the file has reached `position`. */
struct waiting_receipt {
    uint64_t position;
    struct dv_receipt *receipt;
};

struct dv_dead_letter_file {
    struct dv_dead_letters base; /* first: what the graph is given */
    struct dv_dead_letter_options options;
    struct dv_appender appender;
    struct dv_sealer *sealer;
    struct dv_arena scratch;       /* of one put() */
    struct waiting_receipt *waits; /* a ring, oldest first */
    uint32_t first, count, capacity;
    uint64_t letters;      /* since the open */
    struct dv_timer timer; /* while the file is full */
    bool released;         /* it is full and closed, for a compaction */
    const char *reason;    /* why it stays closed, a literal, or NULL */
};

/* ---- receipts that wait ---- */

static struct waiting_receipt *wait_at(const struct dv_dead_letter_file *file, uint32_t index)
{
    return &file->waits[(file->first + index) & (file->capacity - 1)];
}

static dv_rc grow_waits(struct dv_dead_letter_file *file)
{
    uint32_t capacity = file->capacity != 0 ? 2 * file->capacity : WAITS_FIRST;
    struct waiting_receipt *larger = dv_memory_zeroed(capacity, sizeof *larger);
    if (larger == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < file->count; i++)
        larger[i] = *wait_at(file, i);
    dv_memory_free(file->waits);
    file->waits = larger;
    file->first = 0;
    file->capacity = capacity;
    return DV_OK;
}

/* Room for one more, or a newest entry of the same receipt that can stand for both. */
static bool can_wait(struct dv_dead_letter_file *file, const struct dv_receipt *receipt)
{
    bool same = file->count > 0 && wait_at(file, file->count - 1)->receipt == receipt;
    return receipt == NULL || same || file->count < file->capacity || grow_waits(file) == DV_OK;
}

static void wait_for(struct dv_dead_letter_file *file, struct dv_receipt *receipt)
{
    if (receipt == NULL)
        return;
    uint64_t position = file->appender.accepted;
    if (file->count > 0 && wait_at(file, file->count - 1)->receipt == receipt) {
        wait_at(file, file->count - 1)->position = position;
        return;
    }
    DV_ASSERT(file->count < file->capacity);
    *wait_at(file, file->count) = (struct waiting_receipt){ position, dv_receipt_ref(receipt) };
    file->count++;
}

static void release_first(struct dv_dead_letter_file *file, bool failed)
{
    struct dv_receipt *receipt = wait_at(file, 0)->receipt;
    file->first = (file->first + 1) & (file->capacity - 1);
    file->count--;
    DV_CRASH_POINT("letter.before-settle");
    dv_receipt_unref(receipt, failed);
}

static bool is_over(const struct dv_dead_letter_file *file)
{
    const struct dv_appender *appender = &file->appender;
    return file->released ||
           appender->file_offset + (appender->accepted - appender->durable) >= file->options.bytes_max;
}

/* The file is full: it is let go of once all is written. */
static void watch(struct dv_dead_letter_file *file)
{
    if (is_over(file) && !file->timer.active)
        dv_timer_start(&file->timer, DV_DEAD_LETTER_LOOK_MS);
}

static void on_progress(void *data)
{
    struct dv_dead_letter_file *file = data;
    bool failed = dv_appender_failed(&file->appender);
    while (file->count > 0 && (failed || wait_at(file, 0)->position <= file->appender.durable))
        release_first(file, failed);
    dv_appender_flush(&file->appender);
    watch(file);
}

/* ---- one letter ---- */

/* What was lost before it was read has no id: such a letter tells of it, and holds no record. */
static bool has_id(const struct dv_letter *letter)
{
    static const uint8_t none[DV_BLOB_ID_BYTES] = { 0 };
    return memcmp(letter->id, none, sizeof none) != 0;
}

static void print_payload(struct dv_json *json, const struct dv_letter *letter, size_t kept)
{
    if (letter->schema != NULL) {
        dv_json_key(json, "schema");
        dv_json_string(json, letter->schema);
        dv_json_key(json, "record");
        dv_json_raw(json, letter->payload, letter->length);
        return;
    }
    dv_json_key(json, "raw");
    dv_json_raw(json, "\"", 1);
    if (!json->full && dv_base64_length(kept) <= (size_t)(json->end - json->at))
        json->at += dv_base64_encode(json->at, letter->payload, kept);
    json->comma = false;
    dv_json_raw(json, "\"", 1);
}

/* The letter as JSON in the scratch arena. Of raw input the first DV_DEAD_LETTER_KEPT_BYTES are kept. */
static dv_rc print_letter(struct dv_dead_letter_file *file, const struct dv_letter *letter, struct dv_bytes *ret)
{
    size_t kept = letter->length < DV_DEAD_LETTER_KEPT_BYTES ? letter->length : DV_DEAD_LETTER_KEPT_BYTES;
    size_t size = LETTER_FRAME_BYTES + (letter->schema != NULL ? letter->length : dv_base64_length(kept));
    char *text = dv_arena_text(&file->scratch, size);
    if (text == NULL)
        return DV_E_MEMORY;
    struct dv_json json;
    dv_json_init(&json, text, size);
    dv_json_open(&json, '{');
    dv_json_key(&json, "node");
    dv_json_string(&json, letter->node);
    dv_json_key(&json, "code");
    dv_json_string(&json, dv_rc_name(letter->code));
    dv_json_key(&json, "reason");
    dv_json_string(&json, letter->reason);
    dv_json_key(&json, "offset");
    dv_json_uint(&json, letter->offset);
    dv_json_key(&json, "line");
    dv_json_uint(&json, letter->line);
    if (!has_id(letter)) {
        dv_json_key(&json, "notice");
        dv_json_bool(&json, true);
    }
    print_payload(&json, letter, kept);
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    *ret = (struct dv_bytes){ (const uint8_t *)text, dv_json_length(&json) };
    return DV_OK;
}

/* A sealer for the dataset, which a keyring gets when its first letter comes. */
static dv_rc new_sealer(struct dv_dead_letter_file *file, struct dv_error *error)
{
    const struct dv_dead_letter_options *options = &file->options;
    dv_sealer_free(file->sealer);
    file->sealer = NULL;
    dv_rc rc = dv_keyring_sealer(options->keyring, options->tenant, DV_DEAD_LETTER_DATASET, &file->sealer, error);
    if (rc != DV_E_KEY)
        return rc;
    rc = dv_keyring_add(options->keyring, options->tenant, DV_DEAD_LETTER_DATASET, dv_wall_ms(options->loop), error);
    if (rc == DV_E_USAGE) /* another process was quicker, and its key is in the file */
        rc = dv_keyring_reload(options->keyring, error);
    DV_TRY(rc);
    return dv_keyring_sealer(options->keyring, options->tenant, DV_DEAD_LETTER_DATASET, &file->sealer, error);
}

static void identify(const struct dv_dead_letter_file *file, const struct dv_letter *letter, struct dv_blob *blob)
{
    int64_t now_ms = dv_wall_ms(file->options.loop);
    bool dated = letter->created_ms > 0 && letter->created_ms <= DV_BLOB_CREATED_MAX_MS;
    blob->created_ms = dated ? letter->created_ms : now_ms;
    if (has_id(letter))
        memcpy(blob->id, letter->id, sizeof blob->id);
    else
        dv_id_make(blob->id, (uint64_t)now_ms, (uint32_t)file->letters,
                   dv_hash64(letter->node, strlen(letter->node), 0));
}

static dv_rc seal_letter(struct dv_dead_letter_file *file, const struct dv_letter *letter, struct dv_blob *blob)
{
    struct dv_bytes text;
    struct dv_error error = { 0 };
    if (dv_sealer_left(file->sealer) == 0)
        DV_TRY(new_sealer(file, &error));
    DV_TRY(print_letter(file, letter, &text));
    uint8_t *sealed = dv_arena_alloc(&file->scratch, text.length + DV_TAG_BYTES);
    if (sealed == NULL)
        return DV_E_MEMORY;
    *blob = (struct dv_blob){ .tenant = dv_bytes_text(file->options.tenant),
                              .schema = dv_bytes_text(DV_DEAD_LETTER_DATASET) };
    identify(file, letter, blob);
    return dv_blob_seal(blob, file->sealer, text, sealed, &error);
}

static const char TAKEN[] = "this graph's dead letters are kept there: give it a `name` of its own or "
                            "`dead_letters: FILE`, or wait until the other run has ended";

static dv_rc open_appender(struct dv_dead_letter_file *file, struct dv_error *error)
{
    const struct dv_dead_letter_options *options = &file->options;
    struct dv_appender_options how = { .loop = options->loop,
                                       .sys = options->sys,
                                       .name = DV_DEAD_LETTER_DATASET,
                                       .path = options->path,
                                       .taken = TAKEN,
                                       .sync = true,
                                       .elastic = true,
                                       .record = dv_blob_record_length,
                                       .progress = on_progress,
                                       .data = file };
    return dv_appender_open(&file->appender, &how, error);
}

/* What was in flight when the file was let go of still finds it, unless it is being compacted at this moment. */
static dv_rc take_back(struct dv_dead_letter_file *file)
{
    struct dv_error error = { 0 };
    if (!file->released)
        return DV_OK;
    dv_rc rc = open_appender(file, &error);
    file->released = rc != DV_OK;
    file->reason = rc == DV_OK ? NULL : rc == DV_E_CONFIG ? "another process has the dead letters" : dv_rc_text(rc);
    return rc;
}

static dv_rc append_letter(struct dv_dead_letter_file *file, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    struct dv_blob blob;
    bool never = false;
    DV_CRASH_POINT("letter.before-seal");
    if (!can_wait(file, receipt))
        return DV_E_MEMORY;
    DV_TRY(take_back(file));
    DV_TRY(seal_letter(file, letter, &blob));
    char *room = dv_appender_room(&file->appender, dv_blob_size(&blob), &never);
    if (room == NULL)
        return dv_appender_failed(&file->appender) ? DV_E_IO : DV_E_LIMIT;
    dv_appender_filled(&file->appender, dv_blob_pack(&blob, (uint8_t *)room));
    wait_for(file, receipt);
    DV_CRASH_POINT("letter.appended");
    return DV_OK;
}

/* A letter that cannot be kept must not be settled: its source will deliver it again. */
static void put(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    struct dv_dead_letter_file *file = (struct dv_dead_letter_file *)letters;
    dv_rc rc = append_letter(file, letter, receipt);
    file->letters++;
    if (dv_arena_held(&file->scratch) > SCRATCH_KEPT_BYTES)
        dv_arena_free(&file->scratch);
    else
        dv_arena_reset(&file->scratch);
    if (rc == DV_OK) {
        dv_appender_flush(&file->appender);
        return;
    }
    dv_log(DV_LOG_ERROR, "dead-letter.lost", DV_LOG_NAMED("node", letter->node), DV_LOG_REASON("why", rc));
    if (receipt != NULL)
        dv_receipt_unref(dv_receipt_ref(receipt), true);
}

static bool full(const struct dv_dead_letters *letters)
{
    const struct dv_dead_letter_file *file = (const struct dv_dead_letter_file *)letters;
    uint64_t waiting = file->appender.accepted - file->appender.durable;
    return is_over(file) || waiting > DV_DEAD_LETTER_QUEUE_BYTES || dv_appender_failed(&file->appender) ||
           (waiting > 0 && dv_appender_waits(&file->appender) != NULL);
}

static const char *waits(const struct dv_dead_letters *letters)
{
    const struct dv_dead_letter_file *file = (const struct dv_dead_letter_file *)letters;
    if (is_over(file))
        return file->reason != NULL
                   ? file->reason
                   : "the dead letters have reached dead_letters_max: replay or drop some with `datavault dlq`";
    return dv_appender_waits(&file->appender);
}

static bool idle(const struct dv_dead_letters *letters)
{
    const struct dv_dead_letter_file *file = (const struct dv_dead_letter_file *)letters;
    return file->appender.accepted == file->appender.durable || dv_appender_failed(&file->appender);
}

struct dv_dead_letters *dv_dead_letter_file_base(struct dv_dead_letter_file *file)
{
    return file != NULL ? &file->base : NULL;
}

/* Has it room by now? Another process may have it for a moment. */
static void look(struct dv_dead_letter_file *file)
{
    struct stat facts;
    bool over = stat(file->options.path, &facts) == 0 && (uint64_t)facts.st_size >= file->options.bytes_max;
    if (over || take_back(file) != DV_OK)
        return;
    dv_log(DV_LOG_INFO, "dead-letter.room-again", DV_LOG_NUMBER("bytes", file->appender.file_offset));
    dv_loop_arm(file->options.loop, true);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_dead_letter_file *file = timer->data;
    if (file->released) {
        look(file);
    } else if (file->appender.state == DV_APPENDER_IDLE && file->appender.accepted == file->appender.durable) {
        dv_log(DV_LOG_ERROR, "dead-letter.full", DV_LOG_NUMBER("bytes", file->appender.file_offset));
        dv_appender_close(&file->appender);
        file->released = true;
    }
    watch(file);
}

static dv_rc open_parts(struct dv_dead_letter_file *file, struct dv_error *error)
{
    DV_TRY(new_sealer(file, error));
    DV_TRY(open_appender(file, error));
    dv_timer_init(file->options.loop, &file->timer, on_timer, file);
    watch(file);
    return DV_OK;
}

dv_rc dv_dead_letter_file_open(struct dv_dead_letter_file **ret, const struct dv_dead_letter_options *options,
                               struct dv_error *error)
{
    struct dv_dead_letter_file *file = dv_memory_zeroed(1, sizeof *file);
    if (file == NULL)
        return dv_error_set(error, DV_E_MEMORY, "%s: no memory for dead letters", options->path);
    file->base = (struct dv_dead_letters){ .put = put, .full = full, .waits = waits, .idle = idle };
    file->options = *options;
    dv_arena_init(&file->scratch, SCRATCH_MAX_BYTES);
    dv_rc rc = open_parts(file, error);
    if (rc != DV_OK) {
        dv_dead_letter_file_close(file);
        dv_dead_letter_file_free(file);
        return rc;
    }
    *ret = file;
    return DV_OK;
}

void dv_dead_letter_file_close(struct dv_dead_letter_file *file)
{
    if (file == NULL)
        return;
    dv_appender_close(&file->appender);
    dv_timer_close(&file->timer);
    file->count = 0;
    dv_memory_free(file->waits);
    file->waits = NULL;
    file->capacity = 0;
    dv_sealer_free(file->sealer);
    file->sealer = NULL;
    dv_arena_free(&file->scratch);
}

void dv_dead_letter_file_free(struct dv_dead_letter_file *file)
{
    dv_memory_free(file);
}
