/* SPDX-License-Identifier: Apache-2.0
 * snowflake_play.h - Snowflake, and the workers, as dice have them: a channel, its counter of refused rows, the table, and how long each
 * of them takes to tell.
 *
 * What is told is a function of the time at which it is asked: a request that was taken has a time at which it is committed, each of its
 * rows one from which on the table shows it, or one from which on it counts as refused. All of them are thrown when it is taken; an
 * opening may throw those anew that are not committed by then, and take requests away. */
#ifndef DV_TESTS_SNOWFLAKE_PLAY_H
#define DV_TESTS_SNOWFLAKE_PLAY_H

#include "connectors/snowflake.h"
#include "connectors/snowflake_answer.h"
#include "connectors/snowflake_journal.h"
#include "connectors/snowflake_rows.h"
#include "engine/random.h"

enum { PLAY_NUMBERS = 160, PLAY_REQUESTS = 1024, PLAY_REQUEST_ROWS = 8, PLAY_COUNTS = 4096, PLAY_TEXT = 1 << 16, PLAY_JOBS = 8, PLAY_ASKS = 8 };

/* How a schedule is thrown; times in ms. */
struct play_rules {
    uint64_t commit_ms; /* from taken to committed, at most, as all of them */
    uint64_t late_ms;   /* from committed to counted */
    uint64_t table_ms;  /* from committed to seen in the table */
    uint64_t ghost_ms;  /* from an opening to the count of what it took away */
    uint64_t answer_ms, work_ms;
    unsigned early;  /* rows in a hundred that are counted before they are committed */
    unsigned lost;   /* answers to appends */
    unsigned opened; /* looks that find that the channel is to be opened anew */
    unsigned taken_away, ghosts; /* openings that take requests away; refused rows of theirs that are counted all the same */
    unsigned broken; /* looks and questions that fail */
    uint32_t rows;   /* of a request */
};

/* A request that was taken. */
struct play_request {
    char token[DV_SNOWFLAKE_TOKEN];
    uint64_t commit_ns; /* UINT64_MAX: it was taken away */
    uint32_t count, number[PLAY_REQUEST_ROWS];
    uint64_t told_ns[PLAY_REQUEST_ROWS]; /* since when a row is seen, or counted */
};

extern struct play {
    struct play_rules rules;
    struct dv_random dice;
    struct dv_loop *loop; /* of this life */
    uint64_t base_ns;     /* what the lives before have taken: each of them begins with 0 */
    bool bad[PLAY_NUMBERS + 1]; /* rows that are refused */
    struct play_request request[PLAY_REQUESTS];
    uint32_t request_count;
    uint64_t ghost_ns[PLAY_COUNTS]; /* of rows that were taken away */
    uint32_t ghost_count;
    bool dead;        /* the process: nothing comes of what it still does */
    char wrong[512];  /* what is, first; "": nothing */
    char text[PLAY_TEXT]; /* what has happened */
    struct { uint64_t requests, lost, openings, taken_away, ghosts, asked, broken; } counts; /* over all schedules */
} play;

/* A schedule, and a life in it: with a clock, until it dies: nothing comes of what it still does. */
void play_begin(uint64_t seed);
void play_live(struct dv_loop *loop);
void play_die(void);

uint64_t play_below(uint64_t bound);
bool play_chance(unsigned percent);
uint64_t play_now(void);

/* Writes down what happens, and what is wrong. */
void play_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void play_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A time of so many ms at most. */
uint64_t play_in_ms(uint64_t most);

/* A request is taken; what is told of all of them now; and a channel is opened: what is not committed by then is committed now, or gone. */
void play_take(const char *token, const struct dv_snowflake_rows *rows);
void play_tell(struct dv_snowflake_channel_state *ret);
void play_open_again(void);

/* How often a row is in the table, or will be; and is now. */
uint32_t play_copies(uint32_t number, bool now);

/* snowflake_play_talk.c: opens an account that answers questions about the table. */
dv_rc play_open(struct dv_snowflake *snowflake, struct dv_loop *loop, struct dv_error *error);

#endif
