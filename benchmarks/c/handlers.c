/* SPDX-License-Identifier: MIT
 *
 * See handlers.h.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers.h"

#define HELLO "Hello, world\n"
#define HEADERS 10

struct MHD_Response *shared;
static char body_out[1024 * 1024];
static const char *file_path;


static struct MHD_Response *
text (size_t size,
      const char *data,
      enum MHD_ResponseMemoryMode mode)
{
  struct MHD_Response *const response
    = MHD_create_response_from_buffer (size, (void *) (uintptr_t) data, mode);

  (void) MHD_add_response_header (response,
                                  MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "text/plain");
  return response;
}


static struct MHD_Response *
hello (struct request *request)
{
  (void) request;
  return text (strlen (HELLO), HELLO, MHD_RESPMEM_PERSISTENT);
}


static struct MHD_Response *
varied (struct request *request)
{
  static atomic_uint count;
  char line[64];
  const int size = snprintf (line, sizeof (line), "Hello, visitor %u\n",
                             atomic_fetch_add (&count, 1));

  (void) request;
  return text ((size_t) size, line, MHD_RESPMEM_MUST_COPY);
}


static struct MHD_Response *
reused (struct request *request)
{
  (void) request;
  return shared;
}


static struct MHD_Response *
headers (struct request *request)
{
  char line[64];
  size_t sum = 0;
  int size;
  int i;

  for (i = 0; i < HEADERS; i++)
  {
    char name[16];
    const char *value;

    (void) snprintf (name, sizeof (name), "X-Bench-%d", i);
    value = MHD_lookup_connection_value (request->connection, MHD_HEADER_KIND,
                                         name);
    sum += NULL == value ? 0 : strlen (value);
  }
  size = snprintf (line, sizeof (line), "%zu\n", sum);
  return text ((size_t) size, line, MHD_RESPMEM_MUST_COPY);
}


static struct MHD_Response *
json (struct request *request)
{
  struct MHD_Response *const response
    = MHD_create_response_from_buffer (request->size, request->body,
                                       MHD_RESPMEM_MUST_FREE);

  request->body = NULL;
  (void) MHD_add_response_header (response,
                                  MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "application/json");
  return response;
}


static struct MHD_Response *
body (struct request *request)
{
  (void) request;
  return text (sizeof (body_out), body_out, MHD_RESPMEM_PERSISTENT);
}


static struct MHD_Response *
file (struct request *request)
{
  const int fd = open (file_path, O_RDONLY | O_CLOEXEC);
  struct stat status;

  (void) request;
  if ( (-1 == fd) ||
       (0 != fstat (fd, &status)) )
    return NULL;
  return MHD_create_response_from_fd ((size_t) status.st_size, fd);
}


static struct MHD_Response *
upload (struct request *request)
{
  char line[64];
  const int size = snprintf (line, sizeof (line), "%zu\n", request->size);

  return text ((size_t) size, line, MHD_RESPMEM_MUST_COPY);
}


static struct MHD_Response *
slow (struct request *request)
{
  static atomic_uint count;

  if (0 == atomic_fetch_add (&count, 1) % 100)
    (void) usleep (10000);
  return hello (request);
}


static struct MHD_Response *
blocking (struct request *request)
{
  (void) usleep (1000);
  return hello (request);
}


static const struct handler handlers[] = {
  { "hello", &hello, false },
  { "varied", &varied, false },
  { "reused", &reused, false },
  { "headers", &headers, false },
  { "json", &json, true },
  { "body", &body, false },
  { "file", &file, false },
  { "upload", &upload, false },
  { "slow", &slow, false },
  { "blocking", &blocking, false },
};


const struct handler *
find_handler (const char *name,
              const char *path)
{
  size_t i;

  file_path = path;
  memset (body_out, 'x', sizeof (body_out));
  shared = text (strlen (HELLO), HELLO, MHD_RESPMEM_PERSISTENT);
  for (i = 0; i < sizeof (handlers) / sizeof (*handlers); i++)
    if (0 == strcmp (name, handlers[i].name))
      return &handlers[i];
  return NULL;
}
