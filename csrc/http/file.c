/* SPDX-License-Identifier: MIT
 *
 * Bodies that are part of a file.
 *
 * Each request has a response of libmicrohttpd's for itself, with a duplicate of the
 * descriptor: when a file turns out to be shorter than it was, libmicrohttpd changes the
 * size of the response under the hands of all the others that are being sent it.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/file.h"
#include "api/file.h"

struct pymhd_file
{
  atomic_uint references;
  int fd;
};


/* Any thread; no Python inside.  Takes the descriptor over, unless it returns NULL:
   memory is short. */
struct pymhd_file *
pymhd_file_new (int fd)
{
  struct pymhd_file *const file = malloc (sizeof (*file));

  if (NULL == file)
    return NULL;
  file->fd = fd;
  atomic_init (&file->references, 1);
  return file;
}


void
file_ref (struct pymhd_file *file)
{
  atomic_fetch_add (&file->references, 1);
}


/* Any thread, and inside finalizers. */
void
pymhd_file_unref (struct pymhd_file *file)
{
  if ( (NULL == file) ||
       (1 != atomic_fetch_sub (&file->references, 1)) )
    return;
  (void) close (file->fd);
  free (file);
}


struct MHD_Response *
file_response (const struct file_part *part,
               int *fd)
{
  struct MHD_Response *response;

  *fd = fcntl (part->file->fd, F_DUPFD_CLOEXEC, 0);
  if (-1 == *fd)
    return NULL;
  response = MHD_create_response_from_fd_at_offset64 (part->size, *fd, part->offset);
  if (NULL == response)
    (void) close (*fd);
  return response;
}
