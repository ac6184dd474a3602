/* SPDX-License-Identifier: Apache-2.0
 * ingest_outcome.h - what becomes of a request that brings records: for fronts that only hand it on. */
#ifndef DV_OPERATORS_INGEST_OUTCOME_H
#define DV_OPERATORS_INGEST_OUTCOME_H

/* What becomes of a request. */
enum dv_ingest_outcome {
    DV_INGEST_QUEUED,   /* answered by dv_ingest_push() alone: the callback will tell */
    DV_INGEST_DURABLE,  /* all records are */
    DV_INGEST_REFUSED,  /* not a record: none of the request was taken. `line`, `code` and `reason` tell */
    DV_INGEST_FAILED,   /* the run ended before it was durable: send it again, with the same key */
    DV_INGEST_FULL,     /* no room now: `on_room` tells when there is again */
    DV_INGEST_LARGE,    /* longer than `max_body` */
    DV_INGEST_SPENT,    /* all it leads to has spent its privacy budget */
    DV_INGEST_DRAINING, /* the run is about to end */
};

#endif
