/* SPDX-License-Identifier: Apache-2.0
 * grpc_reflection.h - the descriptions of our services, as protoc made them when the program was built. */
#ifndef DV_CONNECTORS_GRPC_REFLECTION_H
#define DV_CONNECTORS_GRPC_REFLECTION_H

#include <stddef.h>
#include <stdint.h>

/* A .proto file; none of them imports another. */
struct dv_proto_file {
    const char *name;          /* "datavault/v1/datavault.proto" */
    const uint8_t *descriptor; /* a google.protobuf.FileDescriptorProto */
    size_t length;
    const char *const *symbols; /* full names of its services, methods, messages and enums; the last is NULL */
};

/* By tools/embed_proto.py; the last one's name is NULL. */
extern const struct dv_proto_file dv_proto_files[];

#endif
