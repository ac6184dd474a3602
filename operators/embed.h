/* SPDX-License-Identifier: Apache-2.0
 * embed.h - the columns that `embed` adds and that whoever stores and searches vectors reads. */
#ifndef DV_OPERATORS_EMBED_H
#define DV_OPERATORS_EMBED_H

#define DV_EMBED_TEXT "text"
#define DV_EMBED_VECTOR "embedding"
#define DV_EMBED_MODEL "embedding_model"

#endif
