/* SPDX-License-Identifier: MIT
 *
 * Bodies that are part of a file.
 */
#pragma once

#include <stdint.h>
#include <microhttpd.h>

struct pymhd_file;

/* Part of a file; its own reference. */
struct file_part
{
  struct pymhd_file *file;
  uint64_t offset;
  uint64_t size;
};

void
file_ref (struct pymhd_file *file);

/* A response for one request, without fields, which has a descriptor of its own; the
   caller destroys it.  NULL if memory or descriptors are short. */
struct MHD_Response *
file_response (const struct file_part *part,
               int *fd);
