/* SPDX-License-Identifier: MIT
 *
 * Responses that Python objects, requests and threads share.
 *
 * A count of our own stands above libmicrohttpd's, because the last reference
 * may go in a finalizer, and a finalizer can run anywhere: inside a callback
 * for which libmicrohttpd holds the response's mutex, MHD_destroy_response()
 * would wait for itself.  So the last one only puts the response on a list,
 * without a lock; response_drain() destroys it at a safe place.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "http/response.h"
#include "api/file.h"
#include "api/response.h"
#include "http/file.h"
#include "http/not_modified.h"
#include "http/zero_copy.h"

struct pymhd_response
{
  struct MHD_Response *mhd;     /* NULL: its body is part of a file, */
  struct file_part part;        /* and each request gets one of its own, */
  char *fields;                 /* with these */
  struct pymhd_response *next;
  atomic_uint references;
  unsigned int status;
  size_t header_size;           /* bytes of its fields */
};

static _Atomic (struct pymhd_response *) graveyard;


/* Takes over mhd, also if it fails. */
static struct pymhd_response *
response_adopt (struct MHD_Response *mhd,
                unsigned int status,
                size_t fields_size)
{
  struct pymhd_response *response;

  if (NULL == mhd)
    return NULL;
  response = malloc (sizeof (*response));
  if (NULL == response)
  {
    MHD_destroy_response (mhd);
    return NULL;
  }
  *response = (struct pymhd_response) {
    .mhd = mhd, .status = status, .header_size = fields_size
  };
  atomic_init (&response->references, 1);
  return response;
}


static bool
response_add_field (struct MHD_Response *mhd,
                    const char *name)
{
  return MHD_YES == MHD_add_response_header (mhd,
                                             name,
                                             name + strlen (name) + 1);
}


/* The name before the one at FIELD, in a block that begins at FIELDS. */
static const char *
response_field_before (const char *fields,
                       const char *field)
{
  int ends = 0;

  /* Back over the value's terminator and the value, then over the name. */
  for (field--; field > fields; field--)
  {
    if (('\0' == field[-1]) && (2 == ++ends))
      break;
  }
  return field;
}


/* FIELDS are names and values, each ended by a NUL.  Releases before 0.9.74
   send the field that was added last first. */
static bool
response_add_fields (struct MHD_Response *mhd,
                     const char *fields,
                     size_t size)
{
  const char *const end = fields + size;
  const char *field;

#if MHD_VERSION < 0x00097400
  for (field = end; field > fields;)
  {
    field = response_field_before (fields, field);
    if (! response_add_field (mhd, field))
      return false;
  }
#else
  (void) &response_field_before;
  for (field = fields; field < end;)
  {
    if (! response_add_field (mhd, field))
      return false;
    field += strlen (field) + 1;
    field += strlen (field) + 1;
  }
#endif
  return true;
}


/* Returns mhd; NULL, and it is gone, if it does not take the fields. */
static struct MHD_Response *
response_with_fields (struct MHD_Response *mhd,
                      const char *fields,
                      size_t fields_size)
{
  if ( (NULL == mhd) ||
       (response_add_fields (mhd, fields, fields_size)) )
    return mhd;
  MHD_destroy_response (mhd);
  return NULL;
}


/* Returns mhd; NULL, and it is gone, if memory is short. */
static struct MHD_Response *
response_with_length (struct MHD_Response *mhd,
                      unsigned int status,
                      size_t body_size)
{
  if ( (NULL == mhd) ||
       (MHD_HTTP_NOT_MODIFIED != status) ||
       (0 == body_size) ||
       (not_modified_tells_length (mhd, body_size)) )
    return mhd;
  MHD_destroy_response (mhd);
  return NULL;
}


static struct MHD_Response *
response_of_copy (unsigned int status,
                  const char *body,
                  size_t body_size)
{
  if ( (MHD_HTTP_NOT_MODIFIED == status) &&
       (0 == body_size) )
    return not_modified_response ();
  return MHD_create_response_from_buffer (body_size, (void *) (uintptr_t) body,
                                          MHD_RESPMEM_MUST_COPY);
}


/* Any thread; no Python inside. */
struct MHD_Response *
response_once (unsigned int status,
               const char *body,
               size_t body_size,
               const char *fields,
               size_t fields_size)
{
  struct MHD_Response *const mhd
    = response_with_length (response_of_copy (status, body, body_size),
                            status, body_size);

  return response_with_fields (mhd, fields, fields_size);
}


/* Any thread; no Python inside.  NULL if memory is short or libmicrohttpd
   refuses a field. */
struct pymhd_response *
pymhd_response_new (unsigned int status,
                    const char *body,
                    size_t body_size,
                    const char *fields,
                    size_t fields_size)
{
  return response_adopt (response_once (status, body, body_size, fields, fields_size),
                         status, fields_size);
}


/* Any thread; no Python inside.  The body is one that pymhd_zero_copy_lend() has
   announced, and is not copied. */
struct pymhd_response *
pymhd_response_new_zero_copy (unsigned int status,
                              const char *body,
                              size_t body_size,
                              const char *fields,
                              size_t fields_size)
{
  struct MHD_Response *const mhd
    = response_with_length (zero_copy_response (body, body_size), status, body_size);

  return response_adopt (response_with_fields (mhd, fields, fields_size),
                         status, fields_size);
}


struct pymhd_response *
response_for_upgrade (MHD_UpgradeHandler handler,
                      const char *fields,
                      size_t fields_size)
{
  struct MHD_Response *const mhd = MHD_create_response_for_upgrade (handler, NULL);

  return response_adopt (response_with_fields (mhd, fields, fields_size),
                         MHD_HTTP_SWITCHING_PROTOCOLS, fields_size);
}


/* Any thread; no Python inside.  The body is several pieces, which one
   pymhd_zero_copy_lend() has announced, as if they lay where PIECES does. */
struct pymhd_response *
pymhd_response_new_pieces (unsigned int status,
                           const struct pymhd_piece *pieces,
                           unsigned int count,
                           const char *fields,
                           size_t fields_size)
{
  return response_adopt (response_with_fields (zero_copy_pieces (pieces, count),
                                               fields, fields_size),
                         status, fields_size);
}


/* Any thread; no Python inside.  The body is part of a file, to which the response has
   a reference of its own. */
struct pymhd_response *
pymhd_response_new_file (unsigned int status,
                         struct pymhd_file *file,
                         uint64_t offset,
                         uint64_t size,
                         const char *fields,
                         size_t fields_size)
{
  struct pymhd_response *const response = malloc (sizeof (*response));
  char *const copy = malloc (fields_size + 1);

  if ( (NULL == response) ||
       (NULL == copy) )
  {
    free (response);
    free (copy);
    return NULL;
  }
  memcpy (copy, fields, fields_size);
  file_ref (file);
  *response = (struct pymhd_response) {
    .part = { .file = file, .offset = offset, .size = size },
    .fields = copy, .status = status, .header_size = fields_size
  };
  atomic_init (&response->references, 1);
  return response;
}


/* Any thread; no Python inside. */
void
pymhd_response_ref (struct pymhd_response *response)
{
  atomic_fetch_add (&response->references, 1);
}


static void
response_free (struct pymhd_response *response)
{
  if (NULL != response->mhd)
    MHD_destroy_response (response->mhd);
  pymhd_file_unref (response->part.file);
  free (response->fields);
  free (response);
}


/* Any thread, and inside finalizers: takes no lock, calls no function of
   libmicrohttpd's. */
void
pymhd_response_unref (struct pymhd_response *response)
{
  if ( (NULL == response) ||
       (1 != atomic_fetch_sub (&response->references, 1)) )
    return;
  if (NULL == response->mhd)
  {
    response_free (response);
    return;
  }
  response->next = atomic_load (&graveyard);
  while (! atomic_compare_exchange_weak (&graveyard,
                                         &response->next,
                                         response))
    ;
}


/* The driver when a request begins, and whoever starts or stops a daemon: never
   inside a content reader, never with a lock. */
void
response_drain (void)
{
  struct pymhd_response *response;

  if (NULL == atomic_load_explicit (&graveyard, memory_order_relaxed))
    return;
  response = atomic_exchange (&graveyard, NULL);
  while (NULL != response)
  {
    struct pymhd_response *const next = response->next;

    response_free (response);
    response = next;
  }
}


/* The driver. */
size_t
response_header_size (const struct pymhd_response *response)
{
  return response->header_size;
}


const struct file_part *
response_file (const struct pymhd_response *response)
{
  return NULL == response->part.file ? NULL : &response->part;
}


/* The driver, inside the access handler. */
struct MHD_Response *
response_of_file (const struct pymhd_response *response,
                  unsigned int *status,
                  int *fd)
{
  *status = response->status;
  return response_with_fields (file_response (&response->part, fd),
                               response->fields, response->header_size);
}


bool
response_upgrades (const struct pymhd_response *response)
{
  return MHD_HTTP_SWITCHING_PROTOCOLS == response->status;
}


/* The driver, inside the access handler. */
enum MHD_Result
response_queue (struct pymhd_response *response,
                struct MHD_Connection *connection)
{
  return MHD_queue_response (connection,
                             response->status,
                             response->mhd);
}
