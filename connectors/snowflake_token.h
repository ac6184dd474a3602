/* SPDX-License-Identifier: Apache-2.0
 * snowflake_token.h - what is shown to Snowflake: a token that the user's key signs, or one that somebody else has given.
 *
 * The key is read anew for each signature, which is good for the better part of an hour: a key that was replaced counts
 * from the next one on, and none stays in memory. Given tokens are read anew each time. Both may take longer than the loop may, see
 * snowflake_sign.h. */
#ifndef DV_CONNECTORS_SNOWFLAKE_TOKEN_H
#define DV_CONNECTORS_SNOWFLAKE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum dv_snowflake_proof {
    DV_SNOWFLAKE_KEYPAIR, /* a JWT that is signed with the user's RSA key */
    DV_SNOWFLAKE_PAT,     /* a programmatic access token */
    DV_SNOWFLAKE_OAUTH,
};

#define DV_SNOWFLAKE_CLOCK "this machine's clock and Snowflake's are more than five minutes apart"

enum {
    DV_SNOWFLAKE_NAME_MAX = 255,
    DV_SNOWFLAKE_URL_MAX = DV_SNOWFLAKE_NAME_MAX + 32,   /* of an account's own */
    DV_SNOWFLAKE_BEARER_MAX = 16 * 1024, /* bytes of "Bearer …" */
    DV_SNOWFLAKE_JWT_LIFE_S = 59 * 60    /* an hour is the longest that counts */
};

/* Who shows what; the texts must stay. */
struct dv_snowflake_identity {
    enum dv_snowflake_proof proof;
    const char *account, *user; /* "myorg-account1", or a locator "xy12345.eu-central-1" */
    const char *secret;         /* its reference: of a PEM with an RSA key, or of the token itself */
    const char *passphrase;     /* the reference of the key's; NULL: it has none */
};

/* Private. Zero-initialise. */
struct dv_snowflake_token {
    struct dv_snowflake_identity identity;
    char *bearer; /* the signed one, or a given one while it is shown; or NULL */
    int64_t renew_ms;
};

/* Whether names and references may be right; nothing is read. DV_E_CONFIG with a text. */
DV_CHECKED dv_rc dv_snowflake_identity_check(const struct dv_snowflake_identity *identity, struct dv_error *error);

/* Takes the identity, and signs once to see whether it can. DV_E_CONFIG and what dv_secret_read() says, with a text. */
DV_CHECKED dv_rc dv_snowflake_token_init(struct dv_snowflake_token *token, const struct dv_snowflake_identity *identity,
                                         int64_t wall_ms, struct dv_error *error);

/* Writes "Bearer …" to `out`, of DV_SNOWFLAKE_BEARER_MAX bytes, for the caller to wipe. *ret_reason: why not, a literal. */
DV_CHECKED dv_rc dv_snowflake_token_show(struct dv_snowflake_token *token, int64_t wall_ms, char *out,
                                         const char **ret_reason);

/* Whether another one takes a while: it is signed, or read from a file. */
bool dv_snowflake_token_is_slow(const struct dv_snowflake_token *token);

/* Whether it can be shown as it is; signs or reads another one, which needs nothing of the loop; and takes over one that was made
 * elsewhere. */
bool dv_snowflake_token_is_fresh(const struct dv_snowflake_token *token, int64_t wall_ms);
DV_CHECKED dv_rc dv_snowflake_token_make(struct dv_snowflake_token *token, int64_t wall_ms, struct dv_error *error);
void dv_snowflake_token_move(struct dv_snowflake_token *to, struct dv_snowflake_token *from);

/* It was refused: the next one is made anew; and it was shown to all who waited for it: a given one goes. */
void dv_snowflake_token_drop(struct dv_snowflake_token *token);
void dv_snowflake_token_rest(struct dv_snowflake_token *token);

/* Why none can be made, a literal. */
const char *dv_snowflake_token_fault(const struct dv_snowflake_token *token);

/* What looks like a wrong key is often a wrong clock: whether an answer's date (0: it has none) is so far from this machine's that
 * tokens that are signed with the time may not count. */
bool dv_snowflake_clock_is_off(const struct dv_snowflake_identity *identity, int64_t date_s, int64_t wall_ms);

/* Wipes and frees; accepts a zeroed one. */
void dv_snowflake_token_free(struct dv_snowflake_token *token);

/* The word for the header that tells which kind it is. */
const char *dv_snowflake_proof_word(enum dv_snowflake_proof proof);

/* The account as it stands in a token ("MYORG-ACCOUNT1"; of a locator without its region), and in a host's name
 * ("myorg-account1", "xy12345.eu-central-1"). False: no account's name, or no room. */
bool dv_snowflake_account_claim(const char *account, char *out, size_t size);
bool dv_snowflake_account_host(const char *account, char *out, size_t size);

/* "https://HOST.snowflakecomputing.com". False as above. */
bool dv_snowflake_account_url(const char *account, char *out, size_t size);

#endif
