/* SPDX-License-Identifier: MIT
 *
 * Bodies that are part of a file, and those that are made of several pieces of memory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pymhd_file;
struct pymhd_response;

struct pymhd_piece
{
  const char *at;
  size_t size;
};

struct pymhd_file *
pymhd_file_new (int fd);

void
pymhd_file_unref (struct pymhd_file *file);

struct pymhd_response *
pymhd_response_new_file (unsigned int status,
                         struct pymhd_file *file,
                         uint64_t offset,
                         uint64_t size,
                         const char *fields,
                         size_t fields_size);

struct pymhd_response *
pymhd_response_new_pieces (unsigned int status,
                           const struct pymhd_piece *pieces,
                           unsigned int count,
                           const char *fields,
                           size_t fields_size);
