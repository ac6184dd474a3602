/* SPDX-License-Identifier: Apache-2.0
 * redis_error.c - error replies by their first word, and what to do about them: the one table. */
#include <string.h>

#include "connectors/redis_reply.h"

/* A prefix of an error reply. */
struct kind {
    const char *prefix;
    enum dv_redis_trouble trouble;
    const char *reason;
};

/* The longer of two prefixes stands first. */
static const struct kind kinds[] = {
    { "NOAUTH", DV_REDIS_MISTAKE, "the server asks for a password: set `password`" },
    { "WRONGPASS", DV_REDIS_MISTAKE, "the server does not accept this user and password" },
    { "NOPERM", DV_REDIS_MISTAKE, "the user may not do this: see ACL LIST on the server" },
    { "WRONGTYPE", DV_REDIS_MISTAKE, "the key holds something else than a stream" },
    { "MOVED", DV_REDIS_ELSEWHERE, "the server is part of a cluster: begin the url with redis+cluster://" },
    { "ASK", DV_REDIS_ELSEWHERE, "the server is part of a cluster: begin the url with redis+cluster://" },
    { "CROSSSLOT", DV_REDIS_MISTAKE, "the server is part of a cluster, and the keys live on several of its nodes" },
    { "BUSYGROUP", DV_REDIS_HAVE_GROUP, "the consumer group is there already" },
    { "NOGROUP", DV_REDIS_NO_GROUP, "the consumer group is missing" },
    { "ERR unknown command", DV_REDIS_MISTAKE, "the server does not know a command: Redis 6.2 or later is needed" },
    { "ERR AUTH", DV_REDIS_MISTAKE, "the server has no password, but `password` is set" },
    { "ERR invalid password", DV_REDIS_MISTAKE, "the server does not accept this user and password" },
    { "ERR Client sent AUTH", DV_REDIS_MISTAKE, "the server has no password, but `password` is set" },
    { "ERR DB index", DV_REDIS_MISTAKE, "the server has no database of this number" },
    { "ERR SELECT", DV_REDIS_MISTAKE, "the server has no database of this number" },
    { "ERR max number of clients", DV_REDIS_PASSING, "the server has no room for another client" },
    { "ERR no such key", DV_REDIS_NO_GROUP, "the stream is missing" },
    { "ERR The XGROUP", DV_REDIS_NO_GROUP, "the stream is missing" },
    { "LOADING", DV_REDIS_PASSING, "the server is loading its data" },
    { "READONLY", DV_REDIS_PASSING, "the server is a replica and takes no writes" },
    { "MASTERDOWN", DV_REDIS_PASSING, "the server has lost its master" },
    { "CLUSTERDOWN", DV_REDIS_PASSING, "the server's cluster is down" },
    { "TRYAGAIN", DV_REDIS_PASSING, "the server's cluster is moving keys" },
    { "NOREPLICAS", DV_REDIS_PASSING, "the server has lost its replicas" },
    { "OOM", DV_REDIS_PASSING, "the server's memory is full" },
    { "MISCONF", DV_REDIS_PASSING, "the server cannot write to its disk" },
    { "BUSY", DV_REDIS_PASSING, "the server is busy with a script" },
    { "UNBLOCKED", DV_REDIS_PASSING, "the server interrupted a read" },
};

enum dv_redis_trouble dv_redis_judge(const struct dv_redis_reply *reply, const char **ret_reason)
{
    const struct kind *found = NULL;
    if (reply->type != DV_REDIS_ERROR)
        return DV_REDIS_FINE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && found == NULL; i++) {
        size_t length = strlen(kinds[i].prefix);
        if (reply->length >= length && memcmp(reply->text, kinds[i].prefix, length) == 0)
            found = &kinds[i];
    }
    if (ret_reason != NULL)
        *ret_reason = found != NULL ? found->reason : "the server answers with an error";
    return found != NULL ? found->trouble : DV_REDIS_PASSING;
}
