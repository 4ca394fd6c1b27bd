/* SPDX-License-Identifier: MIT
 *
 * Responses that Python objects, requests and threads share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <microhttpd.h>

struct file_part;
struct pymhd_response;

enum refusal
{
  BAD_REQUEST,
  TOO_LARGE,
  FAILED,
  NOT_IMPLEMENTED,
  UNAVAILABLE,
  CROWDED,
  OTHER_VERSION,
  REFUSALS
};

/* One of our own short answers; it closes the connection. */
struct pymhd_response *
response_canned (enum refusal which);

/* A response for one request; the caller destroys it.  NULL if memory is
   short or libmicrohttpd refuses a field. */
struct MHD_Response *
response_once (unsigned int status,
               const char *body,
               size_t body_size,
               const char *fields,
               size_t fields_size);

/* A response whose handler gets the connection.  NULL if memory is short or
   libmicrohttpd refuses a field.  Any thread. */
struct pymhd_response *
response_for_upgrade (MHD_UpgradeHandler handler,
                      const char *fields,
                      size_t fields_size);

enum MHD_Result
response_queue (struct pymhd_response *response,
                struct MHD_Connection *connection);

/* The part of a file that is its body, NULL if that is none.  It is not queued but by
   response_of_file(). */
const struct file_part *
response_file (const struct pymhd_response *response);

/* A response for one request with such a body, its fields, its status and its own
   descriptor; the caller destroys it.  NULL if memory or descriptors are short. */
struct MHD_Response *
response_of_file (const struct pymhd_response *response,
                  unsigned int *status,
                  int *fd);

/* About how many bytes its fields take. */
size_t
response_header_size (const struct pymhd_response *response);

bool
response_upgrades (const struct pymhd_response *response);

/* Destroys what finalizers have left.  Called where no lock of
   libmicrohttpd's is held. */
void
response_drain (void);
